//! Schedules: what deployments send at certain times.

use axum::extract::State;
use loom_client as wire;
use loom_machine::{CatchUp, Schedule};

use crate::{auth::Tenant, serve::App};

/// List schedules
///
/// What the active deployments of a namespace send at certain times, and when next.
#[utoipa::path(get, path = "/v1/schedules", operation_id = "listSchedules", tag = "deployments",
    responses((status = 200, description = "All of them", body = Vec<wire::Schedule>)))]
pub(crate) async fn list(State(app): State<App>, Tenant(namespace): Tenant) -> axum::Json<Vec<wire::Schedule>> {
    let views = app.handle.schedules(&namespace).into_iter().map(|view| wire::Schedule {
        deployment: view.deployment,
        name: view.name,
        schedule: to_wire(view.schedule),
        next_ms: view.next_ms,
    });
    axum::Json(views.collect())
}

fn to_wire(schedule: Schedule) -> wire::ManifestSchedule {
    wire::ManifestSchedule {
        cron: schedule.cron,
        timezone: schedule.timezone,
        to: schedule.to,
        body: serde_json::from_str(&schedule.body).unwrap_or_default(),
        catch_up: match schedule.catch_up {
            CatchUp::Latest => wire::CatchUp::Latest,
            CatchUp::None => wire::CatchUp::None,
        },
    }
}

pub(crate) fn from_wire(sent: &wire::ManifestSchedule) -> Schedule {
    Schedule {
        cron: sent.cron.clone(),
        timezone: sent.timezone.clone(),
        to: sent.to.clone(),
        body: sent.body.to_string(),
        catch_up: match sent.catch_up {
            wire::CatchUp::Latest => CatchUp::Latest,
            wire::CatchUp::None => CatchUp::None,
        },
    }
}
