//! Runs a classic BPF program as the kernel does: what the tests hold the generated one to.

use super::program::{Instruction, op};

/// Octets of `frame` that the program lets pass; 0 drops the frame.
///
/// A load beyond the frame ends the program with 0, as in the kernel.
///
/// # Errors
///
/// What the kernel would have refused to attach: an instruction that is none, a jump out of the
/// program, scratch memory read before it was written.
pub(crate) fn run(program: &[Instruction], frame: &[u8]) -> Result<u32, Fault> {
    let mut machine = Machine { frame, a: 0, x: 0, memory: [None; op::SCRATCH_WORDS] };
    let mut next = 0;
    loop {
        let Some(instruction) = program.get(next) else { return Err(Fault { at: next }) };
        next += 1;
        match machine.step(*instruction) {
            Some(Then::On) => {}
            Some(Then::Over(count)) => next += count,
            Some(Then::End(octets)) => return Ok(octets),
            None => return Err(Fault { at: next - 1 }),
        }
    }
}

/// The program is not sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("instruction {at} is unsound")]
pub(crate) struct Fault {
    /// The instruction, counted from 0.
    pub at: usize,
}

struct Machine<'a> {
    frame: &'a [u8],
    a: u32,
    x: u32,
    memory: [Option<u32>; op::SCRATCH_WORDS],
}

enum Then {
    On,
    /// Over so many instructions.
    Over(usize),
    End(u32),
}

impl Machine<'_> {
    fn step(&mut self, instruction: Instruction) -> Option<Then> {
        let Instruction { code, jump_true, jump_false, operand: k } = instruction;
        let branch = |condition: bool| {
            Some(Then::Over(usize::from(if condition { jump_true } else { jump_false })))
        };
        let (a, x) = (self.a, self.x);
        match code {
            op::LOAD_BYTE => return Some(self.load::<1>(k)),
            op::LOAD_HALF => return Some(self.load::<2>(k)),
            op::LOAD_WORD => return Some(self.load::<4>(k)),
            op::LOAD_BYTE_FIXED => return Some(self.load_at::<1>(k)),
            op::LOAD_HALF_FIXED => return Some(self.load_at::<2>(k)),
            op::LOAD_WORD_FIXED => return Some(self.load_at::<4>(k)),
            op::LOAD_LENGTH => self.a = u32::try_from(self.frame.len()).ok()?,
            op::LOAD_VALUE => self.a = k,
            op::LOAD_MEMORY => self.a = (*self.memory.get(usize::try_from(k).ok()?)?)?,
            op::LOAD_X_MEMORY => self.x = (*self.memory.get(usize::try_from(k).ok()?)?)?,
            op::STORE => *self.memory.get_mut(usize::try_from(k).ok()?)? = Some(a),
            op::ADD => self.a = a.wrapping_add(k),
            op::ADD_X => self.a = a.wrapping_add(x),
            op::SUBTRACT => self.a = a.wrapping_sub(k),
            op::SUBTRACT_X => self.a = a.wrapping_sub(x),
            op::AND => self.a = a & k,
            op::SHIFT_LEFT => self.a = a.checked_shl(k)?,
            op::SHIFT_RIGHT => self.a = a.checked_shr(k)?,
            op::A_TO_X => self.x = a,
            op::JUMP => return Some(Then::Over(usize::try_from(k).ok()?)),
            op::IF_EQUAL => return branch(a == k),
            op::IF_GREATER => return branch(a > k),
            op::IF_AT_LEAST => return branch(a >= k),
            op::IF_SET => return branch(a & k != 0),
            op::IF_EQUAL_X => return branch(a == x),
            op::IF_GREATER_X => return branch(a > x),
            op::IF_AT_LEAST_X => return branch(a >= x),
            op::RETURN => return Some(Then::End(k)),
            op::RETURN_A => return Some(Then::End(a)),
            _ => return None,
        }
        Some(Then::On)
    }

    fn load<const N: usize>(&mut self, offset: u32) -> Then {
        match self.x.checked_add(offset) {
            Some(offset) => self.load_at::<N>(offset),
            None => Then::End(0),
        }
    }

    fn load_at<const N: usize>(&mut self, offset: u32) -> Then {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.frame.get(offset..).and_then(<[u8]>::first_chunk::<N>) {
            Some(octets) => {
                self.a = octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
                Then::On
            }
            None => Then::End(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn instruction(code: u16, operand: u32) -> Instruction {
        Instruction { code, jump_true: 0, jump_false: 0, operand }
    }

    #[test]
    fn a_load_beyond_the_frame_drops_it() {
        let program = [instruction(op::LOAD_HALF_FIXED, 3), instruction(op::RETURN_A, 0)];
        assert_eq!(run(&program, &[1, 2, 3, 4, 5]), Ok(0x0405));
        assert_eq!(run(&program, &[1, 2, 3, 4]), Ok(0));
    }

    #[test]
    fn what_the_kernel_refuses_is_a_fault() {
        assert_eq!(run(&[], &[]), Err(Fault { at: 0 }));
        assert_eq!(run(&[instruction(op::LOAD_MEMORY, 0)], &[]), Err(Fault { at: 0 }));
        assert_eq!(run(&[instruction(op::STORE, 16)], &[]), Err(Fault { at: 0 }));
        assert_eq!(run(&[instruction(op::JUMP, 7)], &[]), Err(Fault { at: 8 }));
        assert_eq!(run(&[instruction(0xffff, 0)], &[]), Err(Fault { at: 0 }));
    }
}
