//! What cargo knows about the workspace.

use serde_json::Value;

use crate::repository::{Repository, stdout_of};

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The directory of its manifest, from the root.
    pub(crate) directory: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it is a crate of this workspace.
    pub(crate) is_ours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Development,
    Build,
}

/// All crates of the workspace, by name.
pub(crate) fn packages(repository: &Repository) -> Result<Vec<Package>, String> {
    let mut cargo = repository.cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
    let document: Value =
        serde_json::from_str(&stdout_of(cargo)?).map_err(|cause| format!("cargo metadata: {cause}"))?;
    let listed = document["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let mut packages: Vec<Package> = listed.iter().map(|package| read(repository, package)).collect();
    packages.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(packages)
}

fn read(repository: &Repository, package: &Value) -> Package {
    let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    Package {
        name: package["name"].as_str().unwrap_or_default().to_owned(),
        directory: repository.relative(manifest.parent().unwrap_or(manifest)),
        dependencies: dependencies
            .map(|dependency| Dependency {
                name: dependency["name"].as_str().unwrap_or_default().to_owned(),
                kind: match dependency["kind"].as_str() {
                    Some("dev") => Kind::Development,
                    Some("build") => Kind::Build,
                    Some(_) | None => Kind::Normal,
                },
                is_ours: dependency["source"].is_null(),
            })
            .collect(),
    }
}
