//! Several processes: the guide's programs and the examples as real ones, stress, and deaths.

mod common;
mod programs;

// Also programs of their own.
#[allow(dead_code)]
#[path = "../examples/configuration.rs"]
mod configuration;
#[allow(dead_code)]
#[path = "../examples/counter.rs"]
mod counter;
#[allow(dead_code)]
#[path = "../examples/minimal_alloc_test.rs"]
mod minimal;
#[allow(dead_code)]
#[path = "../examples/stress/mod.rs"]
mod stress;
#[allow(dead_code)]
#[path = "../examples/task_queue.rs"]
mod task_queue;
#[allow(dead_code)]
#[path = "../examples/telemetry.rs"]
mod telemetry;

use common::{LONG, Player, Role, Stage, folder, has_length, play, text};
use commy::{Error, FreeListAllocator, SharedBox, SharedVec, SharedVecDeque};
use std::alloc::Layout;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The folder is the first argument, the rest are the program's.
fn program(run: impl FnOnce(&[&str]) -> commy::Result<()>, stage: &Stage) {
    std::env::set_current_dir(&stage.arguments[0]).expect("a folder");
    let arguments: Vec<&str> = stage.arguments[1..].iter().map(String::as_str).collect();
    run(&arguments).expect("the program");
}

#[test]
fn role() {
    let roles: &[(&str, Role)] = &[
        ("minimal", |stage| program(|_| programs::minimal::main(), stage)),
        ("quick", |stage| program(|_| programs::quick::main(), stage)),
        ("snippets", |stage| program(|_| programs::snippets::main(), stage)),
        ("counter writer", |stage| program(|_| programs::counter_writer::main(), stage)),
        ("counter reader", |stage| program(|_| programs::counter_reader::main(), stage)),
        ("task queue", |stage| program(|half| programs::task_queue::main(half[0]), stage)),
        ("configuration", |stage| program(|half| programs::configuration::main(half[0]), stage)),
        ("ready", |stage| program(|half| programs::ready::main(half[0]), stage)),
        ("growing", |stage| program(|_| programs::growing::main(), stage)),
        ("mismatch", |stage| program(|_| programs::mismatch::main(), stage)),
        ("example minimal", |stage| program(|arguments| minimal::run(arguments[0]), stage)),
        ("example counter", |stage| program(counter::run, stage)),
        ("example task queue", |stage| program(task_queue::run, stage)),
        ("example configuration", |stage| program(configuration::run, stage)),
        ("example telemetry", |stage| program(telemetry::run, stage)),
        ("stress", stress_worker),
        ("pusher", pusher),
        ("blocks", blocks),
        ("holder", holder),
        ("incrementer", incrementer),
        ("resizer", resizer),
        ("copier", copier),
    ];
    play(roles);
}

/// A process that plays a role, and what it prints.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn command(role: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test's own program"));
    command.args(["role", "--exact", "--nocapture", "--test-threads=1"]);
    command.env("COMMY_TEST_ROLE", role).env("COMMY_TEST_ARGUMENTS", arguments.join("\n"));
    command
}

impl Program {
    fn start(role: &str, folder: &Path, arguments: &[&str]) -> Program {
        let arguments = [&[text(folder)], arguments].concat();
        let mut child = command(role, &arguments).stdout(Stdio::piped()).spawn().expect("start a process");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // The harness has lines of its own: an empty one, how many tests it runs, and the beginning of the role's.
        for line in lines.by_ref().map_while(Result::ok) {
            if line.starts_with("test role") {
                break;
            }
        }
        Program { child, lines }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("a line")
    }

    /// What else it prints, until it has ended well.
    #[track_caller]
    fn rest(mut self) -> Vec<String> {
        let lines = self.lines.by_ref().map_while(Result::ok).collect();
        let status = self.child.wait().expect("wait for a process");
        assert!(status.success(), "{status}: {lines:?}");
        lines
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that a program prints.
#[track_caller]
fn run(role: &str, folder: &Path, arguments: &[&str]) -> Vec<String> {
    Program::start(role, folder, arguments).rest()
}

fn open(path: &Path) -> FreeListAllocator {
    // SAFETY: the tests keep to the rules for lent references.
    unsafe { FreeListAllocator::open(path, 4 << 20).expect("an allocator") }
}

#[test]
fn the_guides_first_program_works_as_often_as_one_likes() {
    let folder = folder();
    for _ in 0..3 {
        assert_eq!(run("minimal", folder.path(), &[]), ["3"]);
    }
    assert_eq!(run("example minimal", folder.path(), &["other.mmap"]).len(), 4);
}

#[test]
fn the_readmes_examples_work() {
    let folder = folder();
    assert_eq!(run("quick", folder.path(), &[]), ["length 3", "counter 42", "task 1 ...", "entries 2"]);
}

#[test]
fn the_lines_of_the_guides_reference_work() {
    let folder = folder();
    assert_eq!(run("snippets", folder.path(), &[]).last().map(String::as_str), Some("done"));
}

#[test]
fn a_process_sees_the_numbers_of_another_rise() {
    let folder = folder();
    let watch = || {
        let mut writer = Program::start("counter writer", folder.path(), &[]);
        assert_eq!(writer.line(), "Incremented to 0");
        let seen = run("counter reader", folder.path(), &[]);
        let numbers: Vec<i32> =
            seen.iter().map(|line| line["Current value: ".len()..].parse().expect("a number")).collect();
        assert_eq!((numbers.len(), writer.rest().len()), (20, 99));
        assert!(numbers.is_sorted() && numbers.iter().all(|number| (0..100).contains(number)), "{numbers:?}");
        numbers.into_iter().collect::<BTreeSet<_>>()
    };
    // On a busy machine the reader may come when the writer has ended: then it sees the last number only.
    let seen = (0..10).map(|_| watch()).find(|numbers| numbers.len() > 5);
    assert!(seen.is_some_and(|numbers| numbers.last() > numbers.first()));
}

#[test]
fn the_guides_task_queue_is_emptied_by_who_fills_it() {
    let folder = folder();
    let tasks = run("task queue", folder.path(), &["both"]);
    assert_eq!(tasks, [1, 2, 3].map(|task| format!("Processing task: {task}")));
}

#[test]
fn tasks_are_there_when_their_producer_has_ended() {
    let folder = folder();
    for _ in 0..2 {
        assert_eq!(run("task queue", folder.path(), &["producer"]), [""; 0]);
    }
    let tasks = run("task queue", folder.path(), &["consumer"]);
    assert_eq!(tasks, [1, 2, 3, 1, 2, 3].map(|task| format!("Processing task: {task}")));
}

#[test]
fn each_task_goes_to_one_consumer_whoever_made_it() {
    let folder = folder();
    let names = ["Ada", "Grace", "Alan"];
    let producers =
        names.map(|name| Program::start("example task queue", folder.path(), &["produce", "tasks.mmap", name, "500"]));
    let consumers = [(); 3].map(|()| Program::start("example task queue", folder.path(), &["consume", "tasks.mmap"]));
    for producer in producers {
        producer.rest();
    }
    let mut done: Vec<String> = consumers.into_iter().flat_map(Program::rest).collect();
    let mut should: Vec<String> =
        names.iter().flat_map(|name| (0..500).map(move |id| format!("{id} resize picture {id} of {name}"))).collect();
    done.sort();
    should.sort();
    assert!(done == should, "{} tasks done of {}", done.len(), should.len());
}

#[test]
fn a_configuration_is_read_by_another_process() {
    let folder = folder();
    assert_eq!(run("configuration", folder.path(), &["store"]), ["App: MyApp"]);
    assert_eq!(run("configuration", folder.path(), &["read"]), ["App: MyApp"]);
}

#[test]
fn a_change_of_the_settings_wakes_who_watches_them() {
    let folder = folder();
    let mut watching = Program::start("example configuration", folder.path(), &["watch", "settings.mmap", "0"]);
    run("example configuration", folder.path(), &["set", "settings.mmap", "name", "App", "speed", "high"]);
    assert_eq!([watching.line(), watching.line()], ["name = App", "speed = high"]);
    watching.rest();
    assert_eq!(run("example configuration", folder.path(), &["show", "settings.mmap"]).len(), 2);
}

#[test]
fn a_flag_that_one_process_sets_ends_the_waiting_of_another() {
    let folder = folder();
    std::fs::write(folder.path().join("ready.mmap"), vec![0; 1 << 20]).expect("a file");
    let mut waiting = Program::start("ready", folder.path(), &["reader"]);
    assert_eq!(waiting.line(), "waiting");
    assert_eq!(run("ready", folder.path(), &["writer"]), ["told"]);
    assert_eq!(waiting.rest(), ["ready"]);
}

#[test]
fn a_full_file_is_made_larger_and_shrinks_afterwards() {
    let folder = folder();
    let said = run("growing", folder.path(), &[]);
    let times: u32 = said[0].split(' ').nth(1).expect("a number").parse().expect("a number");
    // Windows cuts no file that is mapped: there it is shorter when the program has ended.
    let at_once = format!("smaller {}", cfg!(unix));
    assert!(times >= 1 && said[0].ends_with(&at_once), "{said:?}");
    let length = std::fs::metadata(folder.path().join("growing.mmap")).expect("the file").len();
    assert!(length < 1 << 20, "{length}");
}

#[test]
fn who_asks_for_another_type_is_told_both() {
    let folder = folder();
    run("minimal", folder.path(), &[]);
    let said = run("mismatch", folder.path(), &[]);
    assert!(said[0].contains("Vec<i32>") && said[0].contains("Vec<u32>"), "{said:?}");
    assert_eq!(said[1], "as the other");
}

#[test]
fn the_example_of_a_counter_shows_the_last_number() {
    let folder = folder();
    let reader = Program::start("example counter", folder.path(), &["read", "counter.mmap", "50"]);
    let wrote = run("example counter", folder.path(), &["write", "counter.mmap", "50"]);
    assert_eq!(wrote.last().map(String::as_str), Some("wrote 50"));
    assert_eq!(reader.rest().last().map(String::as_str), Some("read 50"));
}

#[test]
fn no_measurement_of_any_process_is_lost() {
    let folder = folder();
    let workers = [(); 3].map(|()| Program::start("example telemetry", folder.path(), &["work", "t.mmap", "10000"]));
    for worker in workers {
        worker.rest();
    }
    let said = run("example telemetry", folder.path(), &["show", "t.mmap"]);
    assert_eq!(said[..3], ["requests 30000", "errors 300", "durations 30000"]);
}

fn stress_worker(stage: &Stage) {
    let plan = plan(stage.number(2), stage.number(3));
    stress::work(stage.path(1), stage.number(0), &plan).expect("no failure");
}

fn plan(processes: u64, most: u64) -> stress::Plan {
    stress::Plan { processes, operations: 20_000, most, shared: 4, ..stress::PLAN }
}

#[track_caller]
fn stress_of(processes: u64, most: u64) {
    let folder = folder();
    let path = folder.path().join("stress.mmap");
    let start = |arguments: &[String]| {
        let (processes, most) = (processes.to_string(), most.to_string());
        command("stress", &[&arguments[1], &arguments[2], &processes, &most])
    };
    let summary = stress::direct(&path, &plan(processes, most), &start, &|_| {}).expect("no failure");
    assert_eq!(summary.errors, [""; 0]);
    assert_eq!(summary.operations, processes * 20_000);
    assert!(summary.nanoseconds > 0 && summary.percentile(0.5) <= summary.percentile(1.0));
}

#[test]
fn four_processes_that_contend_for_blocks_and_containers_lose_nothing() {
    stress_of(4, 256);
}

#[test]
fn eight_processes_with_blocks_of_all_sizes_lose_nothing() {
    stress_of(8, 8192);
}

fn pusher(stage: &Stage) {
    let mut list: SharedVec<u64> = SharedVec::new_in(&open(stage.path(0)));
    for number in 0.. {
        list.push(number).expect("room");
        stage.say(number);
    }
}

#[test]
fn what_was_pushed_is_there_when_who_pushed_was_killed() {
    let folder = folder();
    let path = folder.path().join("list.mmap");
    let allocator = open(&path);
    let list: SharedVec<u64> = SharedVec::new_in(&allocator);
    let mut expected = 0;
    for _ in 0..5 {
        let mut pusher = Player::start("pusher", &[text(&path)]);
        let mut last = pusher.hear();
        for _ in 0..200 {
            last = pusher.hear();
        }
        pusher.kill();
        while let Some(said) = pusher.heard() {
            last = said;
        }
        let told: usize = last.parse().expect("a number");
        let new = list.load().expect("the list")[expected..].to_vec();
        assert!(new.iter().copied().eq(0..new.len() as u64) && new.len() > told, "{} of {told}", new.len());
        expected += new.len();
    }
}

fn blocks(stage: &Stage) {
    let allocator = open(stage.path(0));
    for bytes in [16, 100, 2048, 5000, 100_000] {
        for _ in 0..10 {
            let block = allocator.allocate(Layout::from_size_align(bytes, 16).expect("a layout")).expect("room");
            // SAFETY: a block of our own.
            unsafe { block.as_ptr().cast::<u8>().write_bytes(7, bytes) };
        }
    }
    stage.say("taken");
    stage.stay();
}

#[test]
fn blocks_of_a_killed_process_are_given_back() {
    let folder = folder();
    let path = folder.path().join("blocks.mmap");
    let allocator = open(&path);
    let before = allocator.size();
    let mut player = Player::start("blocks", &[text(&path)]);
    player.expect("taken");
    assert!(allocator.size() > before + 1_000_000, "{} of {before}", allocator.size());
    player.kill();
    let after = allocator.size();
    assert!(after <= before + 512, "{after} of {before}");
    assert!(allocator.segment().check_objects().expect("a check").is_empty());
}

fn holder(stage: &Stage) {
    let allocator = open(stage.path(0));
    let mut queue: SharedVecDeque<u64> = SharedVecDeque::new_in(&allocator);
    queue.extend(0..10_000);
    stage.say("made");
    if stage.hear() == "drop" {
        drop(queue);
        stage.say("dropped");
    }
    stage.stay();
}

#[test]
fn what_nobody_holds_any_more_counts_no_more_but_is_found_as_it_was() {
    let folder = folder();
    let path = folder.path().join("held.mmap");
    let allocator = open(&path);
    for how in ["drop", "kill"] {
        let before = allocator.size();
        let mut player = Player::start("holder", &[text(&path)]);
        player.expect("made");
        let held = allocator.size();
        assert!(held >= before + 80_000, "{held} of {before}");
        player.say(how);
        if how == "drop" {
            player.expect("dropped");
        }
        player.kill();
        assert!(allocator.size() <= before + 512, "{} of {before}", allocator.size());
        let other = open(&path);
        let queue: SharedVecDeque<u64> = SharedVecDeque::new_in(&other);
        assert!(queue.load().expect("a copy").into_iter().eq(0..10_000));
        drop((queue, other));
        allocator.shrink_to_usage().expect("shrink");
        let other = open(&path);
        assert!(SharedVecDeque::<u64>::new_in(&other).is_empty());
        drop(other);
        allocator.shrink_to_usage().expect("shrink");
    }
}

fn incrementer(stage: &Stage) {
    let mut total: SharedBox<u64> = SharedBox::new_in(&open(stage.path(0)));
    for _ in 0..stage.number(1) {
        total.update(|total| *total += 1).expect("an increment");
    }
    stage.say("done");
}

#[test]
fn no_increment_under_the_lock_is_lost_between_processes() {
    let folder = folder();
    let path = folder.path().join("total.mmap");
    let total: SharedBox<u64> = SharedBox::new_in(&open(&path));
    let mut players = [(); 4].map(|()| Player::start("incrementer", &[text(&path), "5000"]));
    for player in &mut players {
        player.expect("done");
    }
    assert_eq!(*total, 20_000);
}

fn resizer(stage: &Stage) {
    let allocator = open(stage.path(0));
    for number in 0.. {
        allocator.resize_file(if number % 2 == 0 { 8 << 20 } else { 2 << 20 }).expect("a resize");
        stage.say("resized");
    }
}

#[test]
fn a_resize_that_was_cut_short_is_finished_or_undone_by_who_comes_next() {
    let folder = folder();
    let path = folder.path().join("resized.mmap");
    let mut allocator = open(&path);
    let list: SharedVec<u64> = SharedVec::from_iter_in(0..1000, &allocator);
    for round in 0..10 {
        let mut player = Player::start("resizer", &[text(&path)]);
        for _ in 0..round + 1 {
            player.expect("resized");
        }
        player.kill();
        allocator.cleanup_failed_resize().expect("a clean-up");
        assert!(!allocator.check_operation_timeout());
        let limit = allocator.limit();
        assert!([2 << 20, 8 << 20].contains(&limit), "{limit}");
        has_length(&path, limit);
        let block = allocator.allocate(Layout::new::<[u64; 100]>()).expect("room");
        allocator.deallocate(block.cast(), Layout::new::<[u64; 100]>());
    }
    assert!(list.iter().copied().eq(0..1000));
}

/// Does what holds the size of the file, and does not come to its end while somebody has a guard.
fn copier(stage: &Stage) {
    let allocator = open(stage.path(0));
    stage.say("begin");
    let _ = allocator.segment().snapshot(stage.path(0).with_extension("copy"));
    stage.stay();
}

#[test]
fn an_operation_that_is_stuck_is_told_by_its_time_and_one_of_the_dead_at_once() {
    let folder = folder();
    let path = folder.path().join("stuck.mmap");
    let mut allocator = open(&path);
    let segment = allocator.segment().clone();
    let list: SharedVec<u64> = SharedVec::named_in(&allocator, "list");
    let guard = list.write().expect("the lock");
    // SAFETY: nothing is lent.
    let impatient =
        unsafe { FreeListAllocator::from_segment(&segment, Duration::from_millis(5)).expect("an allocator") };
    assert!(!impatient.check_operation_timeout() && !allocator.check_operation_timeout());
    let mut player = Player::start("copier", &[text(&path)]);
    player.expect("begin");
    let begin = Instant::now();
    while !impatient.check_operation_timeout() {
        assert!(begin.elapsed() < LONG, "nobody is taken for stuck");
        std::thread::yield_now();
    }
    assert!(!allocator.check_operation_timeout(), "60 s have not passed");
    player.kill();
    assert!(allocator.check_operation_timeout(), "it is dead");
    drop(guard);
    allocator.cleanup_failed_resize().expect("a clean-up");
    assert!(!allocator.check_operation_timeout() && !impatient.check_operation_timeout());
    allocator.resize_file(8 << 20).expect("a resize");
}

#[test]
fn who_waits_for_a_task_is_woken_by_another_process() {
    let folder = folder();
    let path = folder.path().join("tasks.mmap");
    let allocator = open(&path);
    let mut queue: SharedVecDeque<u64> = SharedVecDeque::new_in(&allocator);
    let mut player = Player::start("holder", &[text(&path)]);
    assert_eq!(queue.pop_front_wait(LONG).expect("no failure"), Some(0));
    player.expect("made");
}

#[test]
fn the_limit_that_one_process_sets_holds_for_all() {
    let folder = folder();
    let path = folder.path().join("resized.mmap");
    let allocator = open(&path);
    let mut player = Player::start("resizer", &[text(&path)]);
    player.expect("resized");
    player.kill();
    let large = Layout::from_size_align(64 << 20, 8).expect("a layout");
    assert!(matches!(allocator.allocate(large), Err(Error::OutOfSpace { .. })));
    allocator.resize_file(80 << 20).expect("a resize");
    assert_eq!(open(&path).limit(), 80 << 20);
    allocator.deallocate(allocator.allocate(large).expect("room").cast(), large);
}
