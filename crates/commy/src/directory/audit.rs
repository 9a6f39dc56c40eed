//! Everything that the directory of a segment leads to, looked at and claimed, while nobody changes anything.
//!
//! ```text
//! name      its control block, its description, its value's block, what the value owns
//! free      the control block
//! kept      the control block, the value's block
//! orphan    all of an object, but for what is freed already: of one that is being freed, what the notes lead to
//! ```

use super::control::{self, CONTROL, Control, DIRECTORY, DYING, LIVE, OBJECT_AT, control};
use super::{Names, found_description, names, orphans};
use crate::error::{Error, Result};
use crate::layout::VALUE_AT;
use crate::map::Map;
use crate::schema::Description;
use crate::walk::{self, Block, Claims, Finding, Plan, Step, Untyped, Walker};

const PLACE: &str = "(the directory)";

/// Adds what is found to the findings, and what belongs to something to the claims.
pub(crate) fn audit(map: &Map, claims: &mut Claims<'_>, findings: &mut Vec<Finding>) {
    let mut audit = Audit { map, claims, findings };
    let result = audit.lists().and(audit.objects());
    audit.note(PLACE, result);
}

struct Audit<'a, 'c> {
    map: &'a Map,
    claims: &'a mut Claims<'c>,
    findings: &'a mut Vec<Finding>,
}

impl Audit<'_, '_> {
    fn found(&mut self, place: &str, offset: u64, what: &str) {
        self.findings.push(Finding { place: place.into(), offset, what: what.into() });
    }

    fn note(&mut self, place: &str, result: Result<()>) {
        match result {
            Ok(()) => {}
            Err(Error::Corrupt { offset, what }) => self.found(place, offset, what),
            Err(error) => self.found(place, 0, &error.to_string()),
        }
    }

    fn claim(&mut self, place: &str, (offset, bytes, align): (u64, u64, u64)) -> bool {
        let block = Block::checked(self.map, offset, bytes, align);
        let claimed = block.map_err(|_| "a block outside the file").and_then(|block| self.claims.claim(block));
        if let Err(what) = claimed {
            self.found(place, offset, what);
        }
        claimed.is_ok()
    }

    /// Claims a control block, which must be in that state.
    fn control(&mut self, place: &str, object: u64, state: u64) -> Option<&'_ Control> {
        let map = self.map;
        let block = control(map, object).ok();
        let Some(block) = block.filter(|block| block.state.get() == state) else {
            self.found(place, object, "no object is here");
            return None;
        };
        self.claim(place, (object - OBJECT_AT, CONTROL.0, CONTROL.1)).then_some(block)
    }

    fn lists(&mut self) -> Result<()> {
        let map = self.map;
        let (free, kept, orphans) = control::lists(map)?;
        for object in free {
            self.control(PLACE, object, control::FREE);
        }
        for object in kept {
            if self.control(PLACE, object, control::KEPT).is_some() {
                self.value(PLACE, object);
            }
        }
        for object in orphans {
            let place = "(an object that was removed)";
            let state = control(map, object)?.state.get();
            if self.control(place, object, state).is_none() {
                continue;
            }
            let result = if state == DYING { self.dying(place, object) } else { self.object(place, object) };
            self.note(place, result);
        }
        Ok(())
    }

    /// The block of a value that has one.
    fn value(&mut self, place: &str, object: u64) -> bool {
        let value = control(self.map, object).map(|block| block.parts().value);
        value.is_ok_and(|value| value.0 == object + VALUE_AT || self.claim(place, value))
    }

    fn plan(&mut self, place: &str, object: u64) -> Result<Option<Plan>> {
        let block = control(self.map, object)?;
        let (offset, len) = block.parts().description;
        if !self.claim(place, (offset, len, 8)) {
            return Ok(None);
        }
        Plan::new(Description::from_bytes(&found_description(self.map, block)?)?).map(Some)
    }

    /// A whole object, whose control block was claimed.
    fn object(&mut self, place: &str, object: u64) -> Result<()> {
        let Some(plan) = self.plan(place, object)? else { return Ok(()) };
        let parts = control(self.map, object)?.parts();
        let (offset, bytes, align) = parts.value;
        let root = plan.node(0);
        let inline = offset == object + VALUE_AT;
        if (bytes, align) != (root.size as u64, root.align as u64) || (inline && !control::fits_inline(root.size)) {
            self.found(place, object, "a value of another size than its type has");
        } else if inline || self.value(place, object) {
            self.findings.extend(walk::check(self.map, &plan, offset, place, self.claims));
            self.findings.extend(super::check_ring(self.map, object, place, self.claims)?);
        }
        Ok(())
    }

    /// An orphan that is being freed.
    fn dying(&mut self, place: &str, object: u64) -> Result<()> {
        let map = self.map;
        let Some(plan) = self.plan(place, object)? else { return Ok(()) };
        let notes = control(map, object)?.orphans.get();
        if notes != 0 && !self.claim(place, (notes, orphans::NOTES.0, orphans::NOTES.1)) {
            return Ok(());
        }
        let mut walker = Walker::new(map, &plan);
        orphans::notes(map, object)?.into_iter().try_for_each(|note| walker.resume(note))?;
        while let Some(block) = walker.next_block()? {
            if !self.claim(place, (block.offset, block.bytes, block.align)) {
                break;
            }
        }
        Ok(())
    }

    fn objects(&mut self) -> Result<()> {
        let (map, value) = (self.map, DIRECTORY + OBJECT_AT + VALUE_AT);
        let plan = Plan::new(Description::of::<Names>())?;
        self.findings.extend(walk::check(map, &plan, value, PLACE, self.claims));
        let root = Untyped::root(map, &plan, value)?;
        let (forms, entries) = (plan.forms(0), plan.entries(0));
        let mut levels: Vec<_> = root.contents()?.into_iter().collect();
        while let Some(level) = levels.last_mut() {
            match level.step(map, forms, true)? {
                Step::End => drop(levels.pop()),
                Step::Down(contents) => levels.push(contents),
                Step::Block(_) => {}
                Step::Entry(key, value) => {
                    let name = root.at(entries.0.unwrap_or(0), key).text().unwrap_or_default();
                    let name = String::from_utf8_lossy(name).into_owned();
                    if names::check(&name).is_err() {
                        self.found(&name, key, "a name that none may have");
                    }
                    let object = map.word(value)?.get();
                    if self.control(&name, object, LIVE).is_some() {
                        let result = self.object(&name, object);
                        self.note(&name, result);
                    }
                }
            }
        }
        Ok(())
    }
}
