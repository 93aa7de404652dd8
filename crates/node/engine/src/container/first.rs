//! Which process came first in each container that runs: for those who look at processes.

use crate::container::place::runtime_folders;
use crate::records::{Records, containers};
use tare_error::{Kind, Result};
use tare_lifecycle::{ContainerId, Home};
use tare_shim::Elsewhere;
use tare_store::Roots;

/// The name of each container that runs, and its first process in our pid namespace.
///
/// Nothing is made, cleared away or asked of a supervisor: an ordinary user may ask without entering the namespace in which
/// the engine works, and a machine without containers stays as it is. Containers that another runtime's command has made
/// are not among them.
///
/// # Errors
/// The database's.
pub fn first_processes(roots: &Roots) -> Result<Vec<(String, u32)>> {
    let database = roots.data().join("tare.db");
    if !database.exists() {
        return Ok(Vec::new());
    }
    let records = Records::new(&database).read("list containers", containers::all)?;
    let mut found = Vec::new();
    for record in records {
        found.extend(first_process(roots, &record.id)?.map(|pid| (record.name, pid)));
    }
    Ok(found)
}

/// The first process of a container that runs.
fn first_process(roots: &Roots, id: &str) -> Result<Option<u32>> {
    let home = Home::at(runtime_folders(roots));
    let container = match ContainerId::parse(id).and_then(|id| home.container(&id)) {
        Err(e) if e.kind() == Kind::NotFound => {
            let pid = Elsewhere::find(home.path(), id)?.and_then(|one| one.pid);
            return Ok(pid.and_then(|pid| u32::try_from(pid).ok()));
        }
        container => container?,
    };
    let init = container.record().init.as_ref();
    let runs = init.filter(|init| matches!(init.runs(), Ok(true)));
    Ok(runs.and_then(|init| u32::try_from(init.pid).ok()))
}

/// The same where nobody is to hear of what is wrong.
pub(crate) fn living(roots: &Roots, id: &str) -> Option<u32> {
    first_process(roots, id).ok().flatten()
}
