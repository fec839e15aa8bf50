//! The program as its users meet it: real processes, real files, real ports.

mod crash;
mod demo;
mod process;
mod usage;
