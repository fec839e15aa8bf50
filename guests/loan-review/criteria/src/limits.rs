//! Every bound of a criteria program, by name. A program beyond one of them is refused when it is read.

/// Bytes of a program's JSON text.
pub const PROGRAM_BYTES_MAX: usize = 64 * 1024;
/// Criteria of a program, those of its overlays included.
pub const CRITERIA_MAX: usize = 256;
/// Overlays of a program.
pub const OVERLAYS_MAX: usize = 64;
/// States named by one overlay.
pub const OVERLAY_STATES_MAX: usize = 64;
/// Nesting of a program's JSON; conditions of the deepest kind within an overlay fit.
pub const JSON_DEPTH_MAX: usize = 6 + 2 * CONDITION_DEPTH_MAX;
/// Nesting of one condition.
pub const CONDITION_DEPTH_MAX: usize = 8;
/// Comparisons and connectives of all conditions together.
pub const CONDITION_NODES_MAX: usize = 4096;
/// Members of one `all`, `any` or `in`.
pub const LIST_ITEMS_MAX: usize = 64;
/// Bytes of an id, a fact's name, a program's name or version.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a reason's text.
pub const TEXT_BYTES_MAX: usize = 400;
/// The largest reason code.
pub const CODE_MAX: u16 = 9999;
/// Facts given to one evaluation.
pub const FACTS_MAX: usize = 256;
