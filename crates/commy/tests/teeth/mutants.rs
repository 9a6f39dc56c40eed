//! What is broken, one at a time: a log line, a barrier, an order of two stores taken out of the source.
//!
//! Of the source text `old` (in which any white space stands for any other) becomes `new`, if the mutant is chosen. Where
//! that is no expression or statement by itself, `new` says the whole with `MUTANT` for whether it is chosen.

/// How the test that catches it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of `src/**/tests`.
    Unit,
    /// One of `tests/images`.
    Images,
    /// One under the model checker.
    Loom,
    /// One of another file of `tests/`.
    File(&'static str),
}

/// A fault, and who catches it.
pub struct Mutant {
    /// The room, as ARCHITECTURE.md names it.
    pub room: &'static str,
    /// Its file in `src/`.
    pub file: &'static str,
    /// What it does.
    pub what: &'static str,
    pub old: &'static str,
    pub new: &'static str,
    /// The test that must fail.
    pub kind: Kind,
    pub test: &'static str,
}

const fn of(
    (room, file): (&'static str, &'static str),
    what: &'static str,
    (old, new): (&'static str, &'static str),
    (kind, test): (Kind, &'static str),
) -> Mutant {
    Mutant { room, file, what, old, new, kind, test }
}

use Kind::{File, Images, Loom, Unit};

const LOG: (&str, &str) = ("tx", "tx/log.rs");
const OWNER: (&str, &str) = ("tx", "tx/owner.rs");
const WORKER: (&str, &str) = ("tx", "tx/worker.rs");
const KNOWN: (&str, &str) = ("shared", "shared/known.rs");
const RECORD: (&str, &str) = ("tx", "tx/record.rs");
const HEAP: (&str, &str) = ("alloc", "alloc/heap.rs");
const SLAB: (&str, &str) = ("alloc", "alloc/slab.rs");
const ALLOC: (&str, &str) = ("alloc", "alloc/mod.rs");
const FAVOUR: (&str, &str) = ("sync", "sync/favour.rs");
const LOCK: (&str, &str) = ("sync", "sync/lock.rs");
const HASH: (&str, &str) = ("hash", "containers/hash/raw.rs");
const MIGRATE: (&str, &str) = ("hash", "containers/hash/migrate.rs");
const INSERT: (&str, &str) = ("btree", "containers/btree/insert.rs");
const REMOVE: (&str, &str) = ("btree", "containers/btree/remove.rs");
const DEQUE: (&str, &str) = ("deque", "containers/deque/header.rs");
const RECOVERY: (&str, &str) = ("recovery", "recovery/mod.rs");
const CLAIM: (&str, &str) = ("participant", "participant/claim.rs");
const GRACE: (&str, &str) = ("participant", "participant/grace.rs");
const PAUSE: (&str, &str) = ("participant", "participant/pause.rs");
const ATTACHMENT: (&str, &str) = ("participant", "participant/attachment.rs");

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    of(
        LOG,
        "an entry counts before its words are written",
        (
            "for index in 0..count { // SAFETY: the caller hands in the first of `count` words in the map.
             let old = unsafe { &*std::ptr::from_ref(first).add(index as usize) };
             self.word(self.len.get() + index).put(old.get()); } self.close(entry::UNDO, count, offset);",
            "let begin = self.len.get(); self.close(entry::UNDO, count, offset);
             for index in 0..count { let old = unsafe { &*std::ptr::from_ref(first).add(index as usize) };
             self.word(begin + index).put(old.get()); }",
        ),
        (Images, "vec_one_element"),
    ),
    of(
        LOG,
        "the log is longer before the word is there that says what the entry is",
        (
            "self.word(end - 1).put(entry::pack(kind, words, offset)); at(Point::LogEntry);
             self.record().state.publish(end);",
            "self.record().state.publish(end); self.word(end - 1).put(entry::pack(kind, words, offset));",
        ),
        (Images, "vec_one_element"),
    ),
    of(
        LOG,
        "old words of a block that was given back stay in the log",
        (
            "self.record().skip_undo_within(&actor.at.map, end, self.len.get(), offset, bytes)?;",
            "",
        ),
        (File("left_behind"), "a_block_given_back_within_a_transaction_is_not_restored_into_what_another_made_of_it"),
    ),
    of(
        LOG,
        "what was logged before a savepoint counts as logged after it",
        ("self.floor.set(here.len); self.next_round();", "self.floor.set(here.len);"),
        (Unit, "what_a_part_that_fails_changed_once_more_is_again_what_the_transaction_had_made_of_it"),
    ),
    of(
        RECORD,
        "an entry is dropped before its words are put back",
        ("self.undo(map, end, &closing, map)?; forget();", "forget(); self.undo(map, end, &closing, map)?;"),
        (Images, "rolled_back"),
    ),
    of(
        ALLOC,
        "a block is taken before the log has it",
        (
            "journal.reserve(block, classes::size_of_class(usize::from(slab.info.class))); slab.take(index);",
            "slab.take(index); journal.reserve(block, classes::size_of_class(usize::from(slab.info.class)));",
        ),
        (Images, "vec_of_vectors_appended"),
    ),
    of(
        ALLOC,
        "the log forgets a block before it is put back",
        (
            "self.slab.put_back(self.index); forget();",
            "if MUTANT { forget(); self.slab.put_back(self.index); } else { self.slab.put_back(self.index); forget(); }",
        ),
        (Images, "vec_of_vectors_appended"),
    ),
    of(
        HEAP,
        "an intent is there before it says where",
        (
            "self.start.put(start); self.count.put(count); self.aux.put(aux); at(Point::IntentSet); self.kind.publish(kind);",
            "self.kind.publish(kind); self.start.put(start); self.count.put(count); self.aux.put(aux);",
        ),
        (Images, "slabs_of_a_region_come_and_go"),
    ),
    of(
        HEAP,
        "an intent is cleared before the pages are free",
        ("forget(); self.unmark(start, pages); self.intent().clear();",
         "forget(); self.intent().clear(); self.unmark(start, pages);"),
        (Images, "space_given_back"),
    ),
    of(
        HEAP,
        "nothing is kept for logs",
        ("(size / 64).max(1).min(size)", "0"),
        (File("space"), "freeing_works_on_a_full_segment"),
    ),
    of(
        HEAP,
        "a run is published before its pages are marked",
        ("self.mark(start, pages); prepare(start * PAGE); target.publish(start * PAGE);",
         "prepare(start * PAGE); target.publish(start * PAGE); self.mark(start, pages);"),
        (Images, "a_place_more_than_a_page_has"),
    ),
    of(
        SLAB,
        "a slab is in the list before it says what it is",
        ("meta.info.put(info.pack()); push(heap, meta, page * PAGE, class)?;",
         "push(heap, meta, page * PAGE, class)?; meta.info.put(info.pack());"),
        (Images, "slabs_of_a_region_come_and_go"),
    ),
    of(
        SLAB,
        "a block that another frees is not named",
        ("freeing.publish(block);", ""),
        (Loom, "a_block_that_a_dead_one_was_freeing_is_freed_once"),
    ),
    of(
        SLAB,
        "remote bits are cleared before they are in free",
        (
            "keep(bits); // Who sets a bit while others are set leaves it to them to tell.
             let left = remote.fetch_and(!bits, Ordering::Release) & !bits != 0;",
            "let left = if MUTANT { let left = remote.fetch_and(!bits, Ordering::Release) & !bits != 0; keep(bits); left }
             else { keep(bits); remote.fetch_and(!bits, Ordering::Release) & !bits != 0 };",
        ),
        (Loom, "what_a_dead_owner_was_collecting_is_free_once"),
    ),
    of(
        SLAB,
        "what a dead collector did is not repeated",
        ("Slab::at(&actor.at.map, start)?.collect(actor);", ""),
        (Images, "blocks_of_another"),
    ),
    of(
        SLAB,
        "a slab that is taken over keeps its owner",
        ("meta.info.put(Info { owner: heap.actor.index as u16 + 1, ..info }.pack());", "let _ = info;"),
        (File("left_behind"), "a_slab_is_handed_on_from_one_to_the_next"),
    ),
    of(
        LOCK,
        "no barrier between a reader's mark and its look at the word",
        (
            "self.around.fence(); let word = self.word.load(Ordering::Acquire); if word & OWNER == 0 && word & hint(slot) != 0 &&",
            "if !MUTANT { self.around.fence(); } let word = self.word.load(Ordering::Acquire);
             if word & OWNER == 0 && word & hint(slot) != 0 &&",
        ),
        (Loom, "a_reader_and_a_writer_are_never_inside_together"),
    ),
    of(
        LOCK,
        "no barrier between a writer's tag and its look at the marks",
        ("self.around.fence_after_swap(); Ok(hints)", "if !MUTANT { self.around.fence_after_swap(); } Ok(hints)"),
        (Loom, "a_reader_and_a_writer_are_never_inside_together"),
    ),
    of(
        LOCK,
        "unlocking releases nothing",
        ("self.word.store(keep, Ordering::Release);", "self.word.store(keep, Ordering::Relaxed);"),
        (Loom, "two_writers_are_never_inside_together"),
    ),
    of(
        LOCK,
        "a dead owner is not rescued by who waits",
        ("if self.around.fate(owner) == Fate::Dead && waiting.may_rescue() {",
         "if !MUTANT && self.around.fate(owner) == Fate::Dead && waiting.may_rescue() {"),
        (File("processes"), "a_killed_writers_half_done_change_is_undone_by_who_waits_and_soon"),
    ),
    of(
        LOCK,
        "what the dead left in the word is not overwritten",
        ("let inherited = owner != 0 && self.around.is_recovered(owner);", "let inherited = !MUTANT && owner != 0 && self.around.is_recovered(owner);"),
        (Loom, "a_word_left_behind_is_taken_over_once_by_a_reader_and_a_writer"),
    ),
    of(
        LOCK,
        "taking over from the dead is no change",
        ("self.around.inherited(self.object);", ""),
        (Unit, "a_change_that_a_killed_process_committed_is_noticed"),
    ),
    of(
        FAVOUR,
        "the favoured one does not look whether it still is",
        ("if self.waiters.load(Ordering::Acquire) != me { self.step_back(holds); return false; }",
         "if !MUTANT && self.waiters.load(Ordering::Acquire) != me { self.step_back(holds); return false; }"),
        (Loom, "the_favoured_and_another_writer_are_never_inside_together"),
    ),
    of(
        FAVOUR,
        "no barrier before the look at who is inside by favour",
        ("self.around.heavy_fence();", ""),
        (Loom, "the_favoured_and_another_writer_are_never_inside_together"),
    ),
    of(
        FAVOUR,
        "nobody waits for who is inside by favour",
        ("favoured.and_then(|slot| Some((slot, self.holds(slot)?)))",
         "favoured.filter(|_| !MUTANT).and_then(|slot| Some((slot, self.holds(slot)?)))"),
        (Loom, "the_favoured_and_a_reader_are_never_inside_together"),
    ),
    of(
        FAVOUR,
        "readers do not look for a favoured one",
        ("favoured(self.waiters.load(Ordering::Acquire)).is_some()",
         "!MUTANT && favoured(self.waiters.load(Ordering::Acquire)).is_some()"),
        (Loom, "the_favoured_and_a_reader_are_never_inside_together"),
    ),
    of(
        FAVOUR,
        "who is inside by favour is not seen without the lock",
        ("version::go_inside(version, seen);", "if !MUTANT { version::go_inside(version, seen); }"),
        (Loom, "without_the_lock_no_half_a_change_of_the_favoured_one_is_read"),
    ),
    of(
        FAVOUR,
        "favours are cleared before readers are waited for",
        ("let keep = self.wait_for_readers(hints, tag, waiting)?; self.waiters.fetch_and(ASLEEP, Ordering::SeqCst);",
         "if MUTANT { self.waiters.fetch_and(ASLEEP, Ordering::SeqCst); }
          let keep = if MUTANT { hints } else { self.wait_for_readers(hints, tag, waiting)? };
          self.waiters.fetch_and(ASLEEP, Ordering::SeqCst);"),
        (Loom, "favoured_readers_and_a_writer_are_never_inside_together"),
    ),
    of(
        ("sync", "sync/version.rs"),
        "no barrier between reading and the second look",
        ("acquire_fence(); settled(lock, version)", "if !MUTANT { acquire_fence(); } settled(lock, version)"),
        (Loom, "without_the_lock_no_half_a_change_is_read"),
    ),
    of(
        ("sync", "sync/notify.rs"),
        "waking begins no new round",
        ("word.wrapping_add(1)", "word & !ASLEEP"),
        (Loom, "who_armed_before_a_change_does_not_sleep_on_the_bit_of_who_arms_after_it"),
    ),
    of(
        HASH,
        "the counters are not logged",
        ("self.head.keep_counters(self.cx)?;", ""),
        (Unit, "containers::hash::tests::model"),
    ),
    of(
        HASH,
        "the control bytes are not logged",
        ("self.cx.keep(side.table.word(index & !15), 2)?;", ""),
        (Unit, "containers::hash::tests::model"),
    ),
    of(
        HASH,
        "a slot that this transaction emptied is filled again and not logged",
        ("unsafe { self.cx.keep_value(slot)? };", ""),
        (Unit, "containers::hash"),
    ),
    of(
        HASH,
        "that something was removed is not undone",
        ("self.cx.keep(side.stamp, 1)?;", ""),
        (Unit, "a_rollback_at_any_point_of_a_growth_restores_everything"),
    ),
    of(
        HASH,
        "clearing logs nothing",
        ("head.keep(self.cx)?; note_all(self.cx, head, Operation::Cleared)?;", "note_all(self.cx, head, Operation::Cleared)?;"),
        (Unit, "a_map_of_numbers_never_differs_from_std"),
    ),
    of(
        MIGRATE,
        "how far the move has come is not logged",
        ("moving.keep(cx)?; if", "if !MUTANT { moving.keep(cx)?; } if"),
        (Unit, "a_move_in_many_small_transactions_some_rolled_back_loses_nothing"),
    ),
    of(
        MIGRATE,
        "entries that run over the end of the old table are not logged",
        ("keep(old, 0, part.wrapped)?;", ""),
        (Unit, "containers::hash"),
    ),
    of(
        MIGRATE,
        "entries that run over the ends of the new table's parts are not logged",
        ("keep(new, begin, begin + reach(keys, new, begin, ready))?;", ""),
        (Unit, "a_rollback_of_the_last_step_of_a_move_takes_back_what_ran_over_the_ends_of_the_parts"),
    ),
    of(
        INSERT,
        "the leaf is not logged",
        ("place.leaf.keep(self.cx, stamp)?;", ""),
        (Unit, "a_map_of_numbers_never_differs_from_that_of_std"),
    ),
    of(
        INSERT,
        "the link back to a leaf that is split is not logged",
        ("keep_link(cx, stamp, leaf)?; let mut spare", "if !MUTANT { keep_link(cx, stamp, leaf)?; } let mut spare"),
        (Unit, "rollback_after_splits_and_merges_restores_every_entry"),
    ),
    of(
        INSERT,
        "the node above a split is not logged",
        ("step.inner.keep(cx, stamp)?;", ""),
        (Unit, "rollback_after_splits_and_merges_restores_every_entry"),
    ),
    of(
        REMOVE,
        "the separator of a leaf whose first key goes is not logged",
        ("if let Some(step) = path.upwards().find(|step| step.index > 0) { step.inner.keep(cx, stamp)?; }", ""),
        (Unit, "containers::btree::tests::model"),
    ),
    of(
        REMOVE,
        "the link back to a leaf that is merged is not logged",
        ("keep_link(cx, stamp, right)?;", ""),
        (Unit, "a_map_of_numbers_never_differs_from_that_of_std"),
    ),
    of(
        REMOVE,
        "a leaf that gives to its neighbour is not logged",
        ("if left.count() + right.count() > Leaf::<K, V>::CAP + 1 { right.keep(cx, stamp)?; }", ""),
        (Unit, "containers::btree::tests::model"),
    ),
    of(
        DEQUE,
        "growing logs nothing",
        ("self.keep(cx)?; self.put(self.run().grown(cx, shape, needed)?);", "self.put(self.run().grown(cx, shape, needed)?);"),
        (Unit, "a_deque_of_numbers_never_differs_from_that_of_std"),
    ),
    of(
        DEQUE,
        "elements that rotate are not logged",
        ("slots.keep(cx, 0, by)?;", ""),
        (Unit, "a_deque_of_numbers_never_differs_from_that_of_std"),
    ),
    of(
        DEQUE,
        "elements that are cut out at the front are not logged",
        ("slots.keep(cx, 0, end)?;", ""),
        (Unit, "a_deque_of_strings_never_differs_from_that_of_std"),
    ),
    of(
        DEQUE,
        "elements that are cut out at the back are not logged",
        ("slots.keep(cx, start, slots.len - start)?;", ""),
        (Unit, "a_deque_of_strings_never_differs_from_that_of_std"),
    ),
    of(
        ("deque", "containers/deque/mod.rs"),
        "the ends are not logged",
        ("self.header.keep_ends(cx)?; cx.know_block(&self.header, ring.offset, ring.cap, slots.first);",
         "cx.know_block(&self.header, ring.offset, ring.cap, slots.first);"),
        (Unit, "a_slot_popped_and_pushed_again_is_restored_by_a_rollback"),
    ),
    of(
        RECOVERY,
        "what was to be freed after the commit is not",
        ("record.finish_frees(&actor, None)?;", ""),
        (Images, "vec_of_texts_filled_cleared"),
    ),
    of(
        RECOVERY,
        "a dead reader's marks stay",
        ("slot.marks.iter().for_each(|mark| mark.put(0));", ""),
        (File("processes"), "a_killed_reader_does_not_block_writers"),
    ),
    of(
        RECOVERY,
        "the dead stay inside by favour",
        ("slot.holds.publish(0);", ""),
        (File("favoured"), "a_favoured_process_that_is_killed_leaves_nothing_half_done_and_holds_nobody_up"),
    ),
    of(
        RECOVERY,
        "the dead stay busy",
        ("slot.busy.publish(slot.busy.get().wrapping_add(slot.busy.get() & 1));", ""),
        (File("left_behind"), "a_copy_does_not_wait_for_who_died_in_a_change"),
    ),
    of(
        RECOVERY,
        "the dead stay reading",
        ("slot.reading.now.publish(0);", ""),
        (File("left_behind"), "room_is_given_back_though_somebody_died_while_it_read"),
    ),
    of(
        RECOVERY,
        "nobody is told of the dead one's slabs",
        ("alloc::slab::strand(&actor);", ""),
        (File("left_behind"), "the_blocks_that_the_dead_kept_are_used_by_others"),
    ),
    of(
        RECOVERY,
        "the slot is free before it is put right",
        ("let work = slot.work.get();", "if MUTANT { claim::vacate(slot.state.atomic(), state); } let work = slot.work.get();"),
        (Images, "committed"),
    ),
    of(
        CLAIM,
        "a sign of death is taken for that of the next occupant",
        ("dead(seen) && state.load(Ordering::Acquire) == word;", "dead(seen) && (MUTANT || state.load(Ordering::Acquire) == word);"),
        (Loom, "who_comes_late_to_a_rescue_buries_nobody_else"),
    ),
    of(
        CLAIM,
        "a slot changes hands within a generation",
        ("was.generation.wrapping_add(1)", "was.generation"),
        (Loom, "two_never_have_a_slot_in_the_same_generation"),
    ),
    of(
        CLAIM,
        "a rescuer that died is not replaced",
        ("if other != 0 && (other == me || lives(other)) {", "if other != 0 && (MUTANT || other == me || lives(other)) {"),
        (Loom, "a_rescuer_that_dies_is_replaced_and_nobody_claims_meanwhile"),
    ),
    of(
        GRACE,
        "nobody is waited for who reads without a lock",
        ("while now.load(Ordering::Acquire) == 1", "while !MUTANT && now.load(Ordering::Acquire) == 1"),
        (Unit, "who_reads_without_a_lock_is_waited_for_until_it_has_ended"),
    ),
    of(
        GRACE,
        "no barrier between saying that one reads and reading",
        ("light_fence(); true", "if !MUTANT { light_fence(); } true"),
        (Loom, "no_storage_is_given_back_beneath_who_reads"),
    ),
    of(
        GRACE,
        "who has read says so before it has",
        ("ended.store(ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);", "ended.store(ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);"),
        (Loom, "no_storage_is_given_back_beneath_who_reads"),
    ),
    of(
        GRACE,
        "read-only attachments are not waited for",
        ("!matches!(os::byte_locked_elsewhere(self.map.file(), READERS), Ok(false))", "false"),
        (File("resize"), "nothing_is_taken_away_from_beneath_a_read_only_attachment"),
    ),
    of(
        PAUSE,
        "no barrier between having all stand still and looking who is busy",
        ("pause.publish(STILL | me); heavy_fence()?;", "pause.publish(STILL | me);"),
        (Loom, "nothing_is_copied_that_somebody_with_guards_is_changing"),
    ),
    of(
        PAUSE,
        "no barrier between saying that one is busy and looking whether to pause",
        ("light_fence(); pause.load(Ordering::Acquire)", "if !MUTANT { light_fence(); } pause.load(Ordering::Acquire)"),
        (Loom, "nothing_is_copied_that_somebody_is_changing"),
    ),
    of(
        PAUSE,
        "who has guards may begin while all stand still",
        ("seen == 0 || (holds && seen & STILL == 0)", "seen == 0 || (holds && (MUTANT || seen & STILL == 0))"),
        (Loom, "nothing_is_copied_that_somebody_with_guards_is_changing"),
    ),
    of(
        ATTACHMENT,
        "the threads of a process outlive it",
        ("slot.generation().wrapping_add(1)", "slot.generation()"),
        (File("left_behind"), "a_lock_of_a_thread_that_ended_falls_with_its_process_though_its_place_is_taken"),
    ),
    of(
        ATTACHMENT,
        "a process is alive as long as somebody has its descriptors",
        ("unlocked || slot.id().is_gone() == Some(true)", "unlocked"),
        (File("stopped"), "a_dead_process_whose_number_another_has_by_now_keeps_no_lock"),
    ),
    of(
        OWNER,
        "a worker that nobody keeps outlives the last of its guards",
        ("if !self.has_guards() {", "if !MUTANT && !self.has_guards() {"),
        (Unit, "guards_that_end_after_their_thread_commit_and_give_its_place_up"),
    ),
    of(
        OWNER,
        "a worker that nobody keeps is busy as long as it has a guard",
        ("set_idle_if_busy(self.slot());", "if !MUTANT { set_idle_if_busy(self.slot()); }"),
        (Unit, "who_has_all_pause_does_not_wait_for_a_thread_that_only_reads_any_more"),
    ),
    of(
        KNOWN,
        "who changes something by what it remembers keeps nobody off who looks without the lock",
        ("version::go_inside(self.version, self.seen);", "if !MUTANT { version::go_inside(self.version, self.seen); }"),
        (Unit, "who_changes_something_by_what_it_remembers_keeps_off_who_looks_from_then_on_only"),
    ),
    of(
        KNOWN,
        "who changes something by what it remembers does not keep that for as long",
        ("let _kept = (!quiet).then(|| known.keep());", "let _kept = (!quiet && !MUTANT).then(|| known.keep());"),
        (File("remembered"), "a_key_that_looks_into_other_maps_while_it_is_taken_out_is_taken_out_of_its_own"),
    ),
    of(
        WORKER,
        "a worker waits for the guard of a transaction that is stuck, which has gone",
        ("self.stuck.set(self.stuck.get() | 1 << way);", "if !MUTANT { self.stuck.set(self.stuck.get() | 1 << way); }"),
        (Unit, "a_worker_whose_transaction_cannot_be_undone_goes_with_its_thread"),
    ),
];
