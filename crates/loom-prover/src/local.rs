//! Executing and proving on this machine.

mod execute;
mod host;
mod work;

pub use self::{
    execute::{Execution, execute},
    work::{IfBusy, work},
};
