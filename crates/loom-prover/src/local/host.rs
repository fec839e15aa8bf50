//! What a program may ask for while it runs: its input, its output, and randomness that is the same every time.

use std::cell::{Cell, RefCell};

use anyhow::{Result, bail, ensure};
use risc0_binfmt::ByteAddr;
use risc0_circuit_rv32im::execute::{REG_A3, REG_A4, REG_A5, Syscall, SyscallContext};
use sha2::{Digest as _, Sha256};

/// What precedes a call's name.
const CALL: &str = "risc0_zkvm_platform::syscall::nr::";
const CALL_NAME_BYTES_MAX: u32 = 96;
/// Where programs read and write.
const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const JOURNAL: u32 = 3;
/// Longest message of a panic that is read.
const PANIC_BYTES_MAX: u32 = 1024;
/// "There is no such variable."
const NO_VARIABLE: u32 = u32::MAX;
const WORD: usize = 4;

/// The machine's side of a program's calls. What it has, it has for one run.
pub(super) struct Host<'a> {
    input: &'a [u8],
    secret: &'a [u8; 32],
    journal_bytes_max: usize,
    read: Cell<usize>,
    drawn: Cell<u64>,
    journal: RefCell<Vec<u8>>,
    is_too_large: Cell<bool>,
    /// What the last call returned in a0 and a1; the kernel asks for it by itself.
    returned: Cell<(u32, u32)>,
}

impl<'a> Host<'a> {
    pub(super) fn new(input: &'a [u8], secret: &'a [u8; 32], journal_bytes_max: usize) -> Self {
        Self {
            input,
            secret,
            journal_bytes_max,
            read: Cell::default(),
            drawn: Cell::default(),
            journal: RefCell::default(),
            is_too_large: Cell::default(),
            returned: Cell::default(),
        }
    }

    pub(super) fn journal(self) -> Vec<u8> {
        self.journal.into_inner()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large.get()
    }

    /// The next bytes of the input; how many there were.
    fn take(&self, into: &mut [u8]) -> usize {
        let rest = &self.input[self.read.get()..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.read.set(self.read.get() + count);
        count
    }

    /// The kernel asks for whole words and lets the rest, less than one, come back in a register.
    fn read(&self, ctx: &mut impl SyscallContext, buffer: &mut [u8]) -> Result<(u32, u32)> {
        ensure!(ctx.peek_register(REG_A3)? == STDIN, "a program reads from nothing but its input");
        let wanted = ctx.peek_register(REG_A4)? as usize;
        ensure!(wanted >= buffer.len(), "a call reads {wanted} bytes into {}", buffer.len());
        let mut count = self.take(buffer);
        let mut tail = [0; WORD];
        let rest = wanted - count;
        if rest <= WORD {
            count += self.take(&mut tail[..rest]);
        }
        Ok((u32::try_from(count)?, u32::from_le_bytes(tail)))
    }

    fn write(&self, ctx: &mut impl SyscallContext) -> Result<()> {
        let (fd, bytes) = (ctx.peek_register(REG_A3)?, ctx.peek_register(REG_A5)? as usize);
        match fd {
            JOURNAL => {
                let mut journal = self.journal.borrow_mut();
                if journal.len() + bytes > self.journal_bytes_max {
                    self.is_too_large.set(true);
                    bail!("the output has more than {} bytes", self.journal_bytes_max);
                }
                let from = ByteAddr(ctx.peek_register(REG_A4)?);
                journal.extend(ctx.peek_region(from, bytes)?);
                Ok(())
            }
            // What a program prints may be private, and nobody asked for it.
            STDOUT | STDERR => Ok(()),
            _ => bail!("a program writes to nothing but its output, not to {fd}"),
        }
    }

    /// A stream of bytes that nobody can guess who does not know the secret.
    fn random(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block = self.drawn.replace(self.drawn.get() + 1);
            let digest = Sha256::new_with_prefix(self.secret).chain_update(block.to_le_bytes()).finalize();
            chunk.copy_from_slice(&digest[..chunk.len()]);
        }
    }
}

impl Syscall for Host<'_> {
    fn host_read(&self, ctx: &mut impl SyscallContext, fd: u32, buffer: &mut [u8]) -> Result<u32> {
        let length = u32::try_from(buffer.len())?;
        if fd == 0 {
            let (a0, a1) = self.returned.get();
            ensure!(length == 8, "a call's result has two words");
            buffer[..4].copy_from_slice(&a0.to_le_bytes());
            buffer[4..].copy_from_slice(&a1.to_le_bytes());
            return Ok(length);
        }
        let name = call_name(ctx, fd)?;
        let returned = match name.strip_prefix(CALL) {
            Some("SYS_READ") => self.read(ctx, buffer)?,
            Some("SYS_WRITE") => {
                self.write(ctx)?;
                (0, 0)
            }
            Some("SYS_RANDOM") => {
                self.random(buffer);
                (length, 0)
            }
            Some("SYS_LOG" | "SYS_ARGC") => (0, 0),
            Some("SYS_GETENV") => (NO_VARIABLE, 0),
            Some("SYS_CYCLE_COUNT") => {
                let cycle = ctx.get_cycle();
                ((cycle >> 32) as u32, cycle as u32)
            }
            Some("SYS_PANIC") => {
                let bytes = ctx.peek_register(REG_A4)?.min(PANIC_BYTES_MAX) as usize;
                let from = ByteAddr(ctx.peek_register(REG_A3)?);
                bail!("it panicked: {}", String::from_utf8_lossy(&ctx.peek_region(from, bytes)?));
            }
            _ => bail!("it makes a call that is not offered: {name}"),
        };
        self.returned.set(returned);
        Ok(length)
    }

    fn host_write(&self, _: &mut impl SyscallContext, _: u32, buffer: &[u8]) -> Result<u32> {
        // The kernel's own last words.
        Ok(u32::try_from(buffer.len())?)
    }
}

fn call_name(ctx: &mut impl SyscallContext, at: u32) -> Result<String> {
    let mut name = Vec::new();
    for offset in 0..CALL_NAME_BYTES_MAX {
        match ctx.peek_u8(ByteAddr(at.wrapping_add(offset)))? {
            0 => return Ok(String::from_utf8_lossy(&name).into_owned()),
            byte => name.push(byte),
        }
    }
    bail!("it makes a call whose name has no end")
}
