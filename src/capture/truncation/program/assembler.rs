//! Instructions of classic BPF, and how a program of them is put together.
//!
//! Jumps name places, which are set later. A conditional jump reaches 255 instructions far; where a
//! place is further away, an unconditional one that leads there is put in between, one for as many
//! jumps as it is in reach of.

use std::collections::HashMap;

/// One instruction, in the terms of the kernel (`struct sock_filter`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to leave out if the condition is met.
    pub jump_true: u8,
    /// Instructions to leave out if it is not.
    pub jump_false: u8,
    /// The operand, `k`.
    pub operand: u32,
}

impl Instruction {
    /// Goes on after leaving out `count` instructions.
    pub(super) fn go(count: usize) -> Self {
        Self::plain(op::JUMP, u32::try_from(count).unwrap_or(u32::MAX))
    }

    const fn plain(code: u16, operand: u32) -> Self {
        Self { code, jump_true: 0, jump_false: 0, operand }
    }
}

/// The codes of instructions (`linux/bpf_common.h`).
#[expect(missing_docs, reason = "the names say it")]
pub mod op {
    pub const LOAD_VALUE: u16 = 0x00;
    pub const LOAD_WORD_FIXED: u16 = 0x20;
    pub const LOAD_HALF_FIXED: u16 = 0x28;
    pub const LOAD_BYTE_FIXED: u16 = 0x30;
    pub const LOAD_WORD: u16 = 0x40;
    pub const LOAD_HALF: u16 = 0x48;
    pub const LOAD_BYTE: u16 = 0x50;
    pub const LOAD_MEMORY: u16 = 0x60;
    pub const LOAD_X_MEMORY: u16 = 0x61;
    pub const LOAD_LENGTH: u16 = 0x80;
    pub const STORE: u16 = 0x02;
    pub const ADD: u16 = 0x04;
    pub const ADD_X: u16 = 0x0c;
    pub const SUBTRACT: u16 = 0x14;
    pub const SUBTRACT_X: u16 = 0x1c;
    pub const AND: u16 = 0x54;
    pub const SHIFT_LEFT: u16 = 0x64;
    pub const SHIFT_RIGHT: u16 = 0x74;
    pub const A_TO_X: u16 = 0x07;
    pub const JUMP: u16 = 0x05;
    pub const IF_EQUAL: u16 = 0x15;
    pub const IF_GREATER: u16 = 0x25;
    pub const IF_AT_LEAST: u16 = 0x35;
    pub const IF_SET: u16 = 0x45;
    pub const IF_EQUAL_X: u16 = 0x1d;
    pub const IF_GREATER_X: u16 = 0x2d;
    pub const IF_AT_LEAST_X: u16 = 0x3d;
    pub const RETURN: u16 = 0x06;
    pub const RETURN_A: u16 = 0x16;

    /// Words of scratch memory (BPF_MEMWORDS).
    pub const SCRATCH_WORDS: usize = 16;
    /// Instructions of a program at most (BPF_MAXINSNS).
    pub const LONGEST: usize = 4096;
}

/// What the program remembers, a word of scratch memory each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// Where the header begins that is next.
    At,
    /// Where the frame ends, or what of it the headers claim.
    End,
    /// Where the packet ends by what encloses it: never in front of `End`.
    EndOnWire,
    /// Whether the IPv6 packet is a fragment.
    Fragment,
    /// What the header said is next.
    Protocol,
    /// A length, or flags, of the header in hand.
    Length,
    /// Another field of it.
    Field,
    /// What is being computed.
    Interim,
}

/// A place in the program to jump to, set by [`Assembler::here`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Place(usize);

#[derive(Clone, Copy, Debug)]
enum Line {
    Here(Place),
    Plain(Instruction),
    Go(Place),
    /// To a place, or on, by whether the condition is met.
    Branch {
        code: u16,
        operand: u32,
        met: Option<Place>,
        not_met: Option<Place>,
    },
}

/// A program as it is written, from its beginning on.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    lines: Vec<Line>,
    places: usize,
    /// Where the program ends with the headers taken, and with all that is left.
    ends: Option<(Place, Place)>,
}

/// Single instructions. A is the value at hand; X is where the header in hand begins, but where it is
/// said otherwise.
impl Assembler {
    pub(super) fn place(&mut self) -> Place {
        self.places += 1;
        Place(self.places)
    }

    pub(super) fn here(&mut self, place: Place) {
        self.lines.push(Line::Here(place));
    }

    pub(super) fn go(&mut self, place: Place) {
        self.lines.push(Line::Go(place));
    }

    fn plain(&mut self, code: u16, operand: u32) {
        self.lines.push(Line::Plain(Instruction::plain(code, operand)));
    }

    pub(super) fn load_value(&mut self, value: u32) {
        self.plain(op::LOAD_VALUE, value);
    }

    pub(super) fn load_length(&mut self) {
        self.plain(op::LOAD_LENGTH, 0);
    }

    /// Loads the octet at `offset` of the header in hand.
    pub(super) fn load_octet(&mut self, offset: u32) {
        self.plain(op::LOAD_BYTE, offset);
    }

    /// Loads two octets in network byte order.
    pub(super) fn load_16(&mut self, offset: u32) {
        self.plain(op::LOAD_HALF, offset);
    }

    /// Loads four octets in network byte order.
    pub(super) fn load_32(&mut self, offset: u32) {
        self.plain(op::LOAD_WORD, offset);
    }

    pub(super) fn load(&mut self, word: Word) {
        self.plain(op::LOAD_MEMORY, word as u32);
    }

    pub(super) fn load_x(&mut self, word: Word) {
        self.plain(op::LOAD_X_MEMORY, word as u32);
    }

    pub(super) fn store(&mut self, word: Word) {
        self.plain(op::STORE, word as u32);
    }

    pub(super) fn add(&mut self, value: u32) {
        self.plain(op::ADD, value);
    }

    pub(super) fn add_x(&mut self) {
        self.plain(op::ADD_X, 0);
    }

    pub(super) fn subtract(&mut self, value: u32) {
        self.plain(op::SUBTRACT, value);
    }

    pub(super) fn subtract_x(&mut self) {
        self.plain(op::SUBTRACT_X, 0);
    }

    pub(super) fn and(&mut self, mask: u32) {
        self.plain(op::AND, mask);
    }

    pub(super) fn shift_left(&mut self, bits: u32) {
        self.plain(op::SHIFT_LEFT, bits);
    }

    pub(super) fn shift_right(&mut self, bits: u32) {
        self.plain(op::SHIFT_RIGHT, bits);
    }

    pub(super) fn a_to_x(&mut self) {
        self.plain(op::A_TO_X, 0);
    }

    pub(super) fn end_at_a(&mut self) {
        self.plain(op::RETURN_A, 0);
    }

    pub(super) fn end_whole(&mut self) {
        self.plain(op::RETURN, u32::MAX);
    }

    fn branch(&mut self, code: u16, operand: u32, met: Option<Place>, not_met: Option<Place>) {
        self.lines.push(Line::Branch { code, operand, met, not_met });
    }

    pub(super) fn if_equal(&mut self, value: u32, place: Place) {
        self.branch(op::IF_EQUAL, value, Some(place), None);
    }

    pub(super) fn if_any(&mut self, values: &[u32], place: Place) {
        for value in values {
            self.if_equal(*value, place);
        }
    }

    pub(super) fn if_not(&mut self, value: u32, place: Place) {
        self.branch(op::IF_EQUAL, value, None, Some(place));
    }

    pub(super) fn if_greater(&mut self, value: u32, place: Place) {
        self.branch(op::IF_GREATER, value, Some(place), None);
    }

    pub(super) fn if_at_least(&mut self, value: u32, place: Place) {
        self.branch(op::IF_AT_LEAST, value, Some(place), None);
    }

    pub(super) fn if_less(&mut self, value: u32, place: Place) {
        self.branch(op::IF_AT_LEAST, value, None, Some(place));
    }

    pub(super) fn if_set(&mut self, mask: u32, place: Place) {
        self.branch(op::IF_SET, mask, Some(place), None);
    }

    pub(super) fn unless_set(&mut self, mask: u32, place: Place) {
        self.branch(op::IF_SET, mask, None, Some(place));
    }

    /// X is then the word.
    pub(super) fn if_beyond(&mut self, word: Word, place: Place) {
        self.load_x(word);
        self.branch(op::IF_GREATER_X, 0, Some(place), None);
    }

    /// X is then the word.
    pub(super) fn if_in_front_of(&mut self, word: Word, place: Place) {
        self.load_x(word);
        self.branch(op::IF_AT_LEAST_X, 0, None, Some(place));
    }

    /// X is then the word.
    pub(super) fn if_at(&mut self, word: Word, place: Place) {
        self.load_x(word);
        self.branch(op::IF_EQUAL_X, 0, Some(place), None);
    }
}

/// The steps of the walk, as `truncation::cut` has them.
impl Assembler {
    pub(super) fn set_ends(&mut self, here: Place, all: Place) {
        self.ends = Some((here, all));
    }

    /// Takes a header; if it is not there in full, what there is of it is the end.
    pub(super) fn take(&mut self, octets: u32) {
        let ends = self.ends;
        self.taken_or(octets, ends.map(|(_, all)| all));
        self.store(Word::At);
    }

    /// As [`Self::take`], leaving the octets in front.
    pub(super) fn peek(&mut self, octets: u32) {
        let ends = self.ends;
        self.taken_or(octets, ends.map(|(_, all)| all));
    }

    /// Looks at octets that need not be there.
    pub(super) fn peek_or(&mut self, octets: u32, missing: Place) {
        self.taken_or(octets, Some(missing));
    }

    /// Leaves octets out; if they are not there in full, they are no header.
    pub(super) fn skip(&mut self, octets: u32) {
        let ends = self.ends;
        self.taken_or(octets, ends.map(|(here, _)| here));
        self.store(Word::At);
    }

    /// A is where the octets end, X where they begin.
    fn taken_or(&mut self, octets: u32, missing: Option<Place>) {
        self.load(Word::At);
        self.add(octets);
        self.load_x(Word::End);
        self.branch(op::IF_GREATER_X, 0, missing, None);
        self.load_x(Word::At);
    }

    /// Leaves out as many octets as A says; if there are not as many, to `missing`.
    pub(super) fn skip_a_or(&mut self, missing: Place) {
        self.load_x(Word::At);
        self.add_x();
        self.if_beyond(Word::End, missing);
        self.store(Word::At);
    }

    /// Believes that as many octets follow as A says.
    pub(super) fn claim(&mut self) {
        let done = self.place();
        self.load_x(Word::At);
        self.add_x();
        self.claim_until_a(done);
        self.here(done);
    }

    /// Believes that the packet ends at A.
    pub(super) fn claim_until_a(&mut self, done: Place) {
        self.store(Word::EndOnWire);
        self.load_x(Word::End);
        self.branch(op::IF_AT_LEAST_X, 0, Some(done), None);
        self.store(Word::End);
    }

    /// Leaves off what follows as many octets as A says.
    pub(super) fn limit(&mut self) {
        let done = self.place();
        self.limit_or(done);
        self.here(done);
    }

    fn limit_or(&mut self, done: Place) {
        self.load_x(Word::At);
        self.add_x();
        self.load_x(Word::EndOnWire);
        self.branch(op::IF_AT_LEAST_X, 0, Some(done), None);
        self.claim_until_a(done);
    }

    /// As [`Self::limit`], by a 16-bit field; where there is more than it can say it means nothing.
    pub(super) fn limit_16(&mut self) {
        let done = self.place();
        self.store(Word::Interim);
        self.load(Word::EndOnWire);
        self.load_x(Word::At);
        self.subtract_x();
        self.if_greater(0xffff, done);
        self.load(Word::Interim);
        self.limit_or(done);
        self.here(done);
    }
}

impl Assembler {
    /// The program; none if a jump leads back or nowhere.
    pub(super) fn assemble(self) -> Option<Vec<Instruction>> {
        let mut backwards = Backwards::default();
        for line in self.lines.into_iter().rev() {
            backwards.put(line)?;
        }
        backwards.instructions.reverse();
        Some(backwards.instructions)
    }
}

/// A program put together from its end, so that the way to every place is known when one jumps there.
#[derive(Debug, Default)]
struct Backwards {
    /// The last instruction first.
    instructions: Vec<Instruction>,
    /// The number, from the end, of the instruction at each place.
    places: HashMap<Place, usize>,
    /// The number of the nearest jump to each place.
    jumps: HashMap<Place, usize>,
}

impl Backwards {
    fn put(&mut self, line: Line) -> Option<()> {
        match line {
            Line::Here(place) => {
                self.places.insert(place, self.instructions.len().checked_sub(1)?);
            }
            Line::Plain(instruction) => self.instructions.push(instruction),
            Line::Go(place) => self.put_jump(place)?,
            Line::Branch { code, operand, met, not_met } => {
                let next = self.instructions.len().checked_sub(1)?;
                let met = self.near(met, next)?;
                let not_met = self.near(not_met, next)?;
                let here = self.instructions.len();
                self.instructions.push(Instruction {
                    code,
                    jump_true: u8::try_from(here - met - 1).ok()?,
                    jump_false: u8::try_from(here - not_met - 1).ok()?,
                    operand,
                });
            }
        }
        Some(())
    }

    fn put_jump(&mut self, place: Place) -> Option<()> {
        let here = self.instructions.len();
        let distance = here - self.places.get(&place)? - 1;
        if distance > 0 {
            self.instructions.push(Instruction::go(distance));
            self.jumps.insert(place, here);
        }
        Some(())
    }

    /// An instruction in reach that is at the place or leads there; `next` for none.
    fn near(&mut self, place: Option<Place>, next: usize) -> Option<usize> {
        let Some(place) = place else { return Some(next) };
        let at = *self.places.get(&place)?;
        let nearest = self.jumps.get(&place).map_or(at, |jump| at.max(*jump));
        if self.instructions.len() - nearest <= REACH {
            return Some(nearest);
        }
        self.put_jump(place)?;
        self.instructions.len().checked_sub(1)
    }
}

/// How far a conditional jump goes, with room for two jumps in between.
const REACH: usize = 253;
