//! Questions that are asked of a state, and states that nothing can tell apart.

use super::print::Print;
use super::terms::TERMS;
use super::world::{NEITHER, NO_SIDE, NONE, Note, ONLY_BLUE, ONLY_GREEN, Service, Side, Stand, State, share};
use std::hash::Hash;

impl Side {
    /// Takes everything off that is noted on it.
    pub fn forget(&mut self) {
        (self.note, self.promote, self.abort, self.approved) = (None, 0, 0, false);
    }

    pub fn present(&self) -> bool {
        self.service == Service::Present
    }
}

impl State {
    /// The production rules that the documents name.
    pub fn rules(&self) -> impl Iterator<Item = u8> + '_ {
        let named = TERMS[usize::from(self.terms)].rules;
        self.rules.iter().copied().take(named).filter(|code| *code != NONE)
    }

    /// The rules that are there, whatever the documents name.
    pub fn all_rules(&self) -> impl Iterator<Item = u8> + '_ {
        self.rules.iter().copied().filter(|code| *code != NONE)
    }

    /// True if a rule gives weight to the slot, named by the documents or not.
    pub fn has_weight(&self, side: usize) -> bool {
        self.all_rules().any(|code| share(code, side) > 0)
    }

    /// True if a rule that the documents do not name gives weight to the slot.
    pub fn is_held(&self, side: usize) -> bool {
        let named = TERMS[usize::from(self.terms)].rules;
        let others = self.rules.iter().skip(named).any(|code| share(*code, side) > 0);
        self.sides[side].held || others
    }

    pub fn all_to(&self, side: usize) -> bool {
        self.rules().all(|code| share(code, side) == 100)
    }

    /// True if targets of the slot are checked.
    pub fn names(&self, side: usize) -> bool {
        let names = |code: u8| match code {
            ONLY_BLUE => side == 0,
            ONLY_GREEN => side == 1,
            NEITHER | NONE => false,
            _ => true,
        };
        self.all_rules().any(names) || names(self.test) || self.sides[side].held
    }

    /// True if somebody else has changed the rule since.
    pub fn is_foreign(&self, rule: usize) -> bool {
        self.rules[rule] != self.ours[rule]
    }

    /// Takes the rules as they are.
    pub fn accept(&mut self) {
        self.ours = self.rules;
    }

    /// The slot whose note speaks.
    pub fn current(&self) -> Option<usize> {
        let with = (0..2).filter_map(|side| self.sides[side].note.map(|note| (note.sequence, side)));
        with.max().map(|(_, side)| side)
    }

    /// Lets time pass.
    pub fn pass(&mut self, least: u8) {
        let grow = |age: &mut u8| *age = if *age == NONE { NONE } else { (*age).max(least) };
        for side in &mut self.sides {
            if let Some(note) = &mut side.note {
                note.grow(least);
            }
            grow(&mut side.refused);
        }
        let memory = &mut self.memory;
        for age in [&mut memory.gate, &mut memory.weights, &mut memory.watched] {
            grow(age);
        }
        memory.ill.iter_mut().for_each(grow);
        for note in memory.unsaved.iter_mut().flatten() {
            note.grow(least);
        }
    }

    /// Puts differences away that nothing can tell.
    pub fn normalise(&mut self) {
        for side in &mut self.sides {
            if !side.present() {
                *side = Side {
                    service: side.service,
                    unread: side.unread,
                    held: side.held,
                    alien: side.alien,
                    ..NO_SIDE
                };
            }
        }
        for side in &mut self.sides {
            if side.refuses == NONE || side.refused == NONE {
                (side.refused, side.refuses) = (NONE, NONE);
            }
        }
        self.count_anew();
        if let Some(current) = self.current()
            && let Some(note) = &mut self.sides[1 - current].note
        {
            note.grow(4);
        }
    }

    /// Sequences keep their order, and which follow each other at once.
    fn count_anew(&mut self) {
        let mut all = [0_u8; 8];
        let mut used = 0;
        self.each_sequence(|number| {
            if *number > 0 {
                all[used] = *number;
                used += 1;
            }
        });
        let all = &mut all[..used];
        all.sort_unstable();
        let mut new = [0_u8; 8];
        let (mut last, mut given) = (0_u8, 0_u8);
        for (index, number) in all.iter().enumerate() {
            given += if index == 0 { 1 } else { (number - last).min(2) };
            new[index] = given;
            last = *number;
        }
        let all = all.to_vec();
        self.each_sequence(|number| {
            if let Some(index) = all.iter().position(|other| other == number) {
                *number = new[index];
            }
        });
    }

    fn each_sequence(&mut self, mut of: impl FnMut(&mut u8)) {
        for side in &mut self.sides {
            if let Some(note) = &mut side.note {
                of(&mut note.sequence);
            }
            of(&mut side.promote);
            of(&mut side.abort);
        }
        for note in self.memory.unsaved.iter_mut().flatten() {
            of(&mut note.sequence);
        }
    }

    /// A number that no other state has.
    pub fn print(&self) -> u128 {
        let mut print = Print::default();
        self.hash(&mut print);
        print.whole()
    }
}

impl Note {
    fn grow(&mut self, least: u8) {
        self.started = self.started.max(least);
        match &mut self.stand {
            Stand::Shifting { since, .. } | Stand::Baking { since } | Stand::Done { since } => {
                *since = (*since).max(least);
            }
            Stand::Rolling | Stand::Ready | Stand::Returning { .. } | Stand::Failed => {}
        }
    }
}
