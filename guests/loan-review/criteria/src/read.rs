//! Reading a program: from JSON text to [`Program`], or an error that names the place.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::condition::Condition;
use crate::json::Json;
use crate::limits::{
    CODE_MAX, CONDITION_DEPTH_MAX, CONDITION_NODES_MAX, CRITERIA_MAX, LIST_ITEMS_MAX,
    NAME_BYTES_MAX, OVERLAY_STATES_MAX, OVERLAYS_MAX, PROGRAM_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::program::{Criterion, Overlay, Program, Severity, WhenUnknown};

/// The language version that this crate reads, as a program's `format` says it.
const FORMAT: &str = "loom-criteria/1";
/// HMDA's "credit application incomplete": what an unknown criterion means unless the program says otherwise.
const CODE_INCOMPLETE: u16 = 7;

/// Why a program was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramError {
    /// Where, as a path such as `criteria[3].require.all[0].at_most`; empty for the text as a whole.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return write!(formatter, "criteria program: {}", self.problem);
        }
        write!(
            formatter,
            "criteria program, {}: {}",
            self.place, self.problem
        )
    }
}

impl core::error::Error for ProgramError {}

impl Program {
    /// Reads and checks a program.
    pub fn parse(text: &str) -> Result<Self, ProgramError> {
        if text.len() > PROGRAM_BYTES_MAX {
            return Err(fail(
                &Place::Whole,
                format!(
                    "{} bytes, PROGRAM_BYTES_MAX is {PROGRAM_BYTES_MAX}",
                    text.len()
                ),
            ));
        }
        let json = serde_json::from_str::<Json>(text)
            .map_err(|error| fail(&Place::Whole, error.to_string()))?;
        let mut reader = Reader {
            criteria: 0,
            nodes: 0,
        };
        let program = reader.program(&json)?;
        check_ids(&program)?;
        Ok(program)
    }
}

/// Counts what the whole program may hold only so many of.
struct Reader {
    criteria: usize,
    nodes: usize,
}

impl Reader {
    fn program(&mut self, json: &Json) -> Result<Program, ProgramError> {
        let mut members = Members::of(json, &Place::Whole)?;
        let format = members.text("format")?;
        if format != FORMAT {
            return Err(fail(
                &members.at("format"),
                format!("{format:?}, this reader knows {FORMAT:?}"),
            ));
        }
        let name = members.name("name")?;
        let version = members.name("version")?;
        members.optional("about"); // For people; a list or a text.
        let criteria = self.criteria(members.required("criteria")?, &members.at("criteria"))?;
        let overlays = match members.optional("overlays") {
            Some(json) => {
                let place = members.at("overlays");
                list(json, &place, OVERLAYS_MAX)?
                    .iter()
                    .enumerate()
                    .map(|(index, json)| self.overlay(json, &place.item(index)))
                    .collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        members.finish()?;
        Ok(Program {
            name,
            version,
            criteria,
            overlays,
        })
    }

    fn overlay(&mut self, json: &Json, place: &Place<'_>) -> Result<Overlay, ProgramError> {
        let mut members = Members::of(json, place)?;
        members.optional("about");
        let states_place = place.member("states");
        let mut states: Vec<String> = Vec::new();
        for (index, json) in list(
            members.required("states")?,
            &states_place,
            OVERLAY_STATES_MAX,
        )?
        .iter()
        .enumerate()
        {
            let place = states_place.item(index);
            let state = text(json, &place, 2)?;
            if state.len() != 2 || !state.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(fail(
                    &place,
                    format!("{state:?} is no two-letter state code"),
                ));
            }
            if states.contains(&state) {
                return Err(fail(&place, format!("{state:?} is named twice")));
            }
            states.push(state);
        }
        let criteria = self.criteria(members.required("criteria")?, &place.member("criteria"))?;
        members.finish()?;
        Ok(Overlay { states, criteria })
    }

    fn criteria(&mut self, json: &Json, place: &Place<'_>) -> Result<Vec<Criterion>, ProgramError> {
        let items = list(json, place, CRITERIA_MAX)?;
        self.criteria += items.len();
        if self.criteria > CRITERIA_MAX {
            return Err(fail(
                place,
                format!("more than {CRITERIA_MAX} criteria in all (CRITERIA_MAX)"),
            ));
        }
        items
            .iter()
            .enumerate()
            .map(|(index, json)| self.criterion(json, &place.item(index)))
            .collect()
    }

    fn criterion(&mut self, json: &Json, place: &Place<'_>) -> Result<Criterion, ProgramError> {
        let mut members = Members::of(json, place)?;
        members.optional("about");
        let id = members.name("id")?;
        let severity = severity(members.required("severity")?, &place.member("severity"))?;
        let code = members.code("code")?;
        let text = members.text("text")?;
        let when = match members.optional("when") {
            Some(json) => Some(self.condition(json, &place.member("when"), 1)?),
            None => None,
        };
        let require = self.condition(members.required("require")?, &place.member("require"), 1)?;
        let unknown = match members.optional("unknown") {
            Some(json) => when_unknown(json, &place.member("unknown"), &text)?,
            None => WhenUnknown {
                severity: Some(Severity::Refer),
                code: CODE_INCOMPLETE,
                text: undecided(&text),
            },
        };
        members.finish()?;
        Ok(Criterion {
            id,
            when,
            require,
            severity,
            code,
            text,
            unknown,
        })
    }

    fn condition(
        &mut self,
        json: &Json,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<Condition, ProgramError> {
        self.nodes += 1;
        if depth > CONDITION_DEPTH_MAX {
            return Err(fail(
                place,
                format!("nested deeper than {CONDITION_DEPTH_MAX} (CONDITION_DEPTH_MAX)"),
            ));
        }
        if self.nodes > CONDITION_NODES_MAX {
            return Err(fail(
                place,
                format!("more than {CONDITION_NODES_MAX} conditions (CONDITION_NODES_MAX)"),
            ));
        }
        let mut members = Members::of(json, place)?;
        let condition = if let Some(json) = members.optional("all") {
            Condition::All(self.conditions(json, &place.member("all"), depth)?)
        } else if let Some(json) = members.optional("any") {
            Condition::Any(self.conditions(json, &place.member("any"), depth)?)
        } else if let Some(json) = members.optional("not") {
            Condition::Not(Box::new(self.condition(
                json,
                &place.member("not"),
                depth + 1,
            )?))
        } else {
            comparison(&mut members)?
        };
        members.finish()?;
        Ok(condition)
    }

    fn conditions(
        &mut self,
        json: &Json,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<Vec<Condition>, ProgramError> {
        list(json, place, LIST_ITEMS_MAX)?
            .iter()
            .enumerate()
            .map(|(index, json)| self.condition(json, &place.item(index), depth + 1))
            .collect()
    }
}

fn comparison(members: &mut Members<'_>) -> Result<Condition, ProgramError> {
    if members.json.is_empty() {
        return Err(fail(
            members.place,
            "empty; expected all, any, not or field".to_owned(),
        ));
    }
    let field = members.name("field")?;
    if let Some(limit) = members.integer("at_most")? {
        return Ok(Condition::AtMost(field, limit));
    }
    if let Some(limit) = members.integer("at_least")? {
        return Ok(Condition::AtLeast(field, limit));
    }
    if let Some(value) = members.integer("is")? {
        return Ok(Condition::In(field, Vec::from([value])));
    }
    if let Some(json) = members.optional("in") {
        let place = members.at("in");
        let values = list(json, &place, LIST_ITEMS_MAX)?
            .iter()
            .enumerate()
            .map(|(index, json)| integer(json, &place.item(index)))
            .collect::<Result<_, _>>()?;
        return Ok(Condition::In(field, values));
    }
    match members.optional("present") {
        Some(Json::Bool(true)) => Ok(Condition::Present(field)),
        Some(_) => Err(fail(
            &members.at("present"),
            "can only be true; say \"not\" for its opposite".to_owned(),
        )),
        None => Err(fail(
            members.place,
            "no comparison; expected at_most, at_least, is, in or present".to_owned(),
        )),
    }
}

fn when_unknown(
    json: &Json,
    place: &Place<'_>,
    missed_text: &str,
) -> Result<WhenUnknown, ProgramError> {
    let mut members = Members::of(json, place)?;
    let severity = match members.required("severity")? {
        Json::Text(text) if text == "none" => None,
        json => Some(severity(json, &place.member("severity"))?),
    };
    let code = match members.optional("code") {
        Some(json) => code(json, &members.at("code"))?,
        None => CODE_INCOMPLETE,
    };
    let text = match members.optional("text") {
        Some(json) => text(json, &members.at("text"), TEXT_BYTES_MAX)?,
        None => undecided(missed_text),
    };
    members.finish()?;
    Ok(WhenUnknown {
        severity,
        code,
        text,
    })
}

fn undecided(missed_text: &str) -> String {
    ["not enough information to decide: ", missed_text].concat()
}

/// One id means one criterion among the base criteria and among what one state gets from overlays.
fn check_ids(program: &Program) -> Result<(), ProgramError> {
    for (index, criterion) in program.criteria.iter().enumerate() {
        if program.criteria[..index]
            .iter()
            .any(|other| other.id == criterion.id)
        {
            return Err(fail(
                &Place::Whole.member("criteria").item(index).member("id"),
                format!("{:?} is used twice", criterion.id),
            ));
        }
    }
    for (index, overlay) in program.overlays.iter().enumerate() {
        for (position, criterion) in overlay.criteria.iter().enumerate() {
            let twice_here = overlay.criteria[..position]
                .iter()
                .any(|other| other.id == criterion.id);
            let twice_in_a_state = program.overlays[..index].iter().any(|other| {
                other
                    .states
                    .iter()
                    .any(|state| overlay.states.contains(state))
                    && other
                        .criteria
                        .iter()
                        .any(|earlier| earlier.id == criterion.id)
            });
            if twice_here || twice_in_a_state {
                let overlays = Place::Whole.member("overlays");
                let overlay = overlays.item(index);
                let criteria = overlay.member("criteria");
                return Err(fail(
                    &criteria.item(position).member("id"),
                    format!("{:?} is set twice for one state", criterion.id),
                ));
            }
        }
    }
    Ok(())
}

/// Where something stands. Only an error spells it out: in a program that is good, that would be a third of the work.
enum Place<'a> {
    Whole,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    fn member(&'a self, name: &'a str) -> Place<'a> {
        Place::Member(self, name)
    }

    fn item(&'a self, index: usize) -> Place<'a> {
        Place::Item(self, index)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Member(Place::Whole, name) => formatter.write_str(name),
            Place::Member(place, name) => write!(formatter, "{place}.{name}"),
            Place::Item(place, index) => write!(formatter, "{place}[{index}]"),
        }
    }
}

/// The members of an object, taken one by one; what nobody took is an error.
struct Members<'a> {
    place: &'a Place<'a>,
    json: Vec<&'a (String, Json)>,
}

impl<'a> Members<'a> {
    fn of(json: &'a Json, place: &'a Place<'a>) -> Result<Self, ProgramError> {
        match json {
            Json::Object(members) => Ok(Self {
                place,
                json: members.iter().collect(),
            }),
            other => Err(fail(
                place,
                format!("expected an object, found {}", other.kind()),
            )),
        }
    }

    fn at(&self, member: &'a str) -> Place<'a> {
        self.place.member(member)
    }

    fn optional(&mut self, member: &str) -> Option<&'a Json> {
        let position = self.json.iter().position(|(name, _)| name == member)?;
        Some(&self.json.remove(position).1)
    }

    fn required(&mut self, member: &str) -> Result<&'a Json, ProgramError> {
        self.optional(member)
            .ok_or_else(|| fail(self.place, format!("member {member:?} is missing")))
    }

    fn text(&mut self, member: &'a str) -> Result<String, ProgramError> {
        text(self.required(member)?, &self.at(member), TEXT_BYTES_MAX)
    }

    fn name(&mut self, member: &'a str) -> Result<String, ProgramError> {
        let (json, place) = (self.required(member)?, self.at(member));
        let name = text(json, &place, NAME_BYTES_MAX)?;
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(fail(
                &place,
                format!("{name:?} may hold only letters, digits, '-', '_', '.' and '/'"),
            ));
        }
        Ok(name)
    }

    fn code(&mut self, member: &'a str) -> Result<u16, ProgramError> {
        code(self.required(member)?, &self.at(member))
    }

    fn integer(&mut self, member: &'a str) -> Result<Option<i64>, ProgramError> {
        self.optional(member)
            .map(|json| integer(json, &self.at(member)))
            .transpose()
    }

    fn finish(self) -> Result<(), ProgramError> {
        match self.json.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(NAME_BYTES_MAX).collect();
                Err(fail(self.place, format!("unknown member {name:?}")))
            }
        }
    }
}

fn list<'a>(
    json: &'a Json,
    place: &Place<'_>,
    items_max: usize,
) -> Result<&'a [Json], ProgramError> {
    match json {
        Json::List(items) if items.is_empty() => Err(fail(place, "an empty list".to_owned())),
        Json::List(items) if items.len() > items_max => Err(fail(
            place,
            format!("{} items, {items_max} are allowed", items.len()),
        )),
        Json::List(items) => Ok(items),
        other => Err(fail(
            place,
            format!("expected a list, found {}", other.kind()),
        )),
    }
}

fn text(json: &Json, place: &Place<'_>, bytes_max: usize) -> Result<String, ProgramError> {
    match json {
        Json::Text(text) if text.len() > bytes_max => Err(fail(
            place,
            format!("{} bytes, {bytes_max} are allowed", text.len()),
        )),
        Json::Text(text) => Ok(text.clone()),
        other => Err(fail(
            place,
            format!("expected a string, found {}", other.kind()),
        )),
    }
}

fn integer(json: &Json, place: &Place<'_>) -> Result<i64, ProgramError> {
    match json {
        Json::Integer(value) => Ok(*value),
        other => Err(fail(
            place,
            format!("expected an integer, found {}", other.kind()),
        )),
    }
}

fn code(json: &Json, place: &Place<'_>) -> Result<u16, ProgramError> {
    let value = integer(json, place)?;
    u16::try_from(value)
        .ok()
        .filter(|code| (1..=CODE_MAX).contains(code))
        .ok_or_else(|| {
            fail(
                place,
                format!("{value} is no reason code, which runs from 1 to {CODE_MAX}"),
            )
        })
}

fn severity(json: &Json, place: &Place<'_>) -> Result<Severity, ProgramError> {
    match text(json, place, NAME_BYTES_MAX)?.as_str() {
        "refer" => Ok(Severity::Refer),
        "deny" => Ok(Severity::Deny),
        other => Err(fail(
            place,
            format!("{other:?}, expected \"refer\" or \"deny\""),
        )),
    }
}

fn fail(place: &Place<'_>, problem: String) -> ProgramError {
    ProgramError {
        place: place.to_string(),
        problem,
    }
}
