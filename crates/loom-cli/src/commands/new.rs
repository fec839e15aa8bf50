//! Making a project.

use loom_build::{Kind, Language, NewError, NewProject};

use crate::{
    CliError,
    arguments::{GuestKind, GuestLanguage, New},
    output,
};

pub(super) fn new(arguments: &New) -> Result<(), CliError> {
    let kind = match arguments.kind {
        GuestKind::Actor => Kind::Actor,
        GuestKind::Activity => Kind::Activity,
    };
    let language = match arguments.lang {
        GuestLanguage::Rust => Language::Rust,
        GuestLanguage::Assemblyscript => Language::AssemblyScript,
    };
    let project = NewProject { name: &arguments.name, kind, language };
    let (folder, files) = loom_build::create(&arguments.r#in, project)?;
    let folder = folder.strip_prefix(".").unwrap_or(&folder);
    if arguments.json {
        output::print_json(&serde_json::json!({ "folder": folder, "files": files }));
        return Ok(());
    }
    output::outln!("{}", folder.display());
    for file in files.iter().filter(|file| !file.starts_with("sdk/")) {
        output::outln!("  {file}");
    }
    output::outln!("  sdk/  {} files", files.iter().filter(|file| file.starts_with("sdk/")).count());
    eprintln!("next:  cd {}  &&  loom test  &&  loom dev --watch .", folder.display());
    Ok(())
}

impl From<NewError> for CliError {
    fn from(error: NewError) -> Self {
        match &error {
            NewError::Name { .. } | NewError::Reserved { .. } => Self::new("name-invalid", &error),
            NewError::Exists(_) => {
                Self::new("folder-exists", &error).hint("choose another name, or another place with --in DIR")
            }
            NewError::Io { source, .. } => Self::new("file", format!("{error}: {source}")),
        }
    }
}
