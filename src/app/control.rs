//! The operator's commands, carried out on the tree and the switches.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pushweir_actors::{StopMode, SupervisorHandle};

use super::service::Service;
use super::tree::{self, GRACE};
use crate::collector::InjectPanic;
use crate::flow::{Command, CommandError, Nudge, PusherCell, PusherState, RestartMode};
use crate::pusher::Wiring;

/// More connections than any provider allows a sender.
const MOST_CONNECTIONS: u32 = 5000;
/// How long a rolling restart waits for one pusher to be ready again before it goes on.
const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_LOOK: Duration = Duration::from_millis(50);

/// Holds a route's `busy` flag until dropped.
struct Busy {
    service: Arc<Service>,
    index: usize,
}

/// Carries out a command.
///
/// # Errors
/// What it names does not exist, or it makes no sense now.
pub async fn carry_out(service: &Arc<Service>, command: Command) -> Result<(), CommandError> {
    match command {
        Command::RestartPusher { route, number, mode } => {
            let (wiring, _) = pusher(service, &route, number)?;
            restart(&supervisor(service, &route)?, &wiring, number, mode).await
        }
        Command::PausePusher { route, number } => switch_pusher(service, &route, number, true),
        Command::ResumePusher { route, number } => switch_pusher(service, &route, number, false),
        Command::RestartRoute { route, mode } => restart_route(service, &route, mode),
        Command::ScaleRoute { route, connections } => scale(service, &route, connections).await,
        Command::PauseRoute { route } => switch_route(service, &route, true),
        Command::ResumeRoute { route } => switch_route(service, &route, false),
        Command::Panic { target } => panic_in(service, &target),
        Command::Drain => switch_intake(service, true),
        Command::Resume => switch_intake(service, false),
    }
}

fn wiring(service: &Service, name: &str) -> Result<Arc<Wiring>, CommandError> {
    match service.parts.route(name) {
        Some((_, wiring)) => Ok(Arc::clone(wiring)),
        None => {
            Err(CommandError::NotFound { what: format!("route {name:?}"), exists: service.route_names() })
        }
    }
}

fn pusher(
    service: &Service,
    name: &str,
    number: u32,
) -> Result<(Arc<Wiring>, Arc<PusherCell>), CommandError> {
    let wiring = wiring(service, name)?;
    let pushers = wiring.route.pushers();
    match pushers.get(number as usize) {
        Some(cell) => Ok((wiring, Arc::clone(cell))),
        None => Err(CommandError::NotFound {
            what: format!("pusher {name}/{number}"),
            exists: format!("{name}/0 to {name}/{}", pushers.len().saturating_sub(1)),
        }),
    }
}

fn supervisor(service: &Service, name: &str) -> Result<SupervisorHandle, CommandError> {
    service.route_supervisor(name).ok_or_else(|| {
        CommandError::Conflict(format!(
            "route {name:?} is down: its supervisor is being started again (hint: try again)"
        ))
    })
}

fn busy(service: &Arc<Service>, wiring: &Wiring) -> Result<Busy, CommandError> {
    let index = wiring.route.id.index();
    if service.busy[index].swap(true, Ordering::AcqRel) {
        let name = &wiring.route.name;
        return Err(CommandError::Conflict(format!(
            "route {name:?} is being restarted or scaled (hint: wait for it)"
        )));
    }
    Ok(Busy { service: Arc::clone(service), index })
}

async fn restart(
    supervisor: &SupervisorHandle,
    wiring: &Wiring,
    number: u32,
    mode: RestartMode,
) -> Result<(), CommandError> {
    let id = format!("{}/{number}", wiring.route.name);
    log::info!("restarting pusher={id} mode={mode:?}");
    let mode = match mode {
        RestartMode::Graceful => StopMode::Graceful(GRACE),
        RestartMode::Force => StopMode::Force,
    };
    supervisor.restart_child(&id, mode).await.map_err(|error| CommandError::Conflict(error.to_string()))
}

fn restart_route(service: &Arc<Service>, name: &str, mode: RestartMode) -> Result<(), CommandError> {
    let wiring = wiring(service, name)?;
    let supervisor = supervisor(service, name)?;
    let busy = busy(service, &wiring)?;
    actix::spawn(async move {
        for cell in wiring.route.pushers() {
            if let Err(error) = restart(&supervisor, &wiring, cell.number, mode).await {
                log::warn!("rolling restart pusher={}/{} error={error}", wiring.route.name, cell.number);
            }
            wait_until_ready(&cell).await;
        }
        log::info!("rolling restart finished route={}", wiring.route.name);
        drop(busy);
    });
    Ok(())
}

/// One pusher at a time: the next one is not touched before this one takes pushes again, or clearly will not.
async fn wait_until_ready(cell: &PusherCell) {
    let ready = async {
        while !matches!(cell.state(), PusherState::Ready | PusherState::Paused | PusherState::Failed) {
            tokio::time::sleep(READY_LOOK).await;
        }
    };
    if tokio::time::timeout(READY_WITHIN, ready).await.is_err() {
        log::warn!(
            "rolling restart goes on without pusher number={} state={}",
            cell.number,
            cell.state().as_str()
        );
    }
}

async fn scale(service: &Arc<Service>, name: &str, connections: u32) -> Result<(), CommandError> {
    let wiring = wiring(service, name)?;
    if !(1..=MOST_CONNECTIONS).contains(&connections) {
        return Err(CommandError::Invalid(format!(
            "connections: must be 1 to {MOST_CONNECTIONS}, not {connections} (hint: pause the route to stop it)"
        )));
    }
    let supervisor = supervisor(service, name)?;
    let _busy = busy(service, &wiring)?;
    let before = u32::try_from(wiring.route.pushers().len()).unwrap_or(u32::MAX);
    log::info!("scaling route={name} from={before} to={connections}");
    let conflict = |error: pushweir_actors::SupervisorError| CommandError::Conflict(error.to_string());
    for number in (connections..before).rev() {
        let id = format!("{name}/{number}");
        supervisor.terminate_child(&id).await.map_err(conflict)?;
        supervisor.delete_child(&id).await.map_err(conflict)?;
        wiring.route.resize(number);
    }
    for number in before..connections {
        wiring.route.resize(number + 1);
        if let Err(error) = supervisor.start_child(tree::pusher(service, &wiring, number)).await {
            // The supervisor has forgotten it; a cell without a child could never be scaled away.
            wiring.route.resize(number);
            return Err(conflict(error));
        }
    }
    Ok(())
}

fn panic_in(service: &Service, target: &str) -> Result<(), CommandError> {
    if !service.parts.live.lock().runtime.fault_injection {
        let text = "fault injection is off (hint: set [runtime] fault_injection = true where that is wanted)";
        return Err(CommandError::Conflict(text.to_owned()));
    }
    let unknown = || CommandError::NotFound {
        what: format!("actor {target:?}"),
        exists: "collector, and each pusher as route/number".to_owned(),
    };
    log::warn!("injecting a panic target={target}");
    if target == "collector" {
        let collector = service.collector().ok_or_else(unknown)?;
        let sent = collector.try_send(InjectPanic);
        return sent.map_err(|_| CommandError::Conflict("the collector is being restarted".to_owned()));
    }
    let (route, number) = target.split_once('/').ok_or_else(unknown)?;
    let (_, cell) = pusher(service, route, number.parse().map_err(|_| unknown())?)?;
    if cell.nudge(Nudge::Panic) {
        return Ok(());
    }
    Err(CommandError::Conflict(format!("pusher {target} is being restarted")))
}

fn switch_pusher(service: &Service, name: &str, number: u32, pause: bool) -> Result<(), CommandError> {
    let (_, cell) = pusher(service, name, number)?;
    if cell.is_paused() == pause {
        return Err(already(&format!("pusher {name}/{number}"), pause));
    }
    cell.set_paused(pause);
    cell.nudge(Nudge::LookAtSwitches);
    Ok(())
}

fn switch_route(service: &Service, name: &str, pause: bool) -> Result<(), CommandError> {
    let wiring = wiring(service, name)?;
    if wiring.route.paused.swap(pause, Ordering::AcqRel) == pause {
        return Err(already(&format!("route {name:?}"), pause));
    }
    for cell in wiring.route.pushers() {
        cell.nudge(Nudge::LookAtSwitches);
    }
    Ok(())
}

fn switch_intake(service: &Service, drain: bool) -> Result<(), CommandError> {
    if service.is_stopping.load(Ordering::Acquire) {
        return Err(CommandError::Conflict("the service is shutting down".to_owned()));
    }
    let intake = &service.parts.intake;
    if intake.is_draining() == drain {
        let text = if drain { "the intake is drained already" } else { "the intake is open already" };
        return Err(CommandError::Conflict(text.to_owned()));
    }
    intake.set_draining(drain);
    Ok(())
}

fn already(what: &str, paused: bool) -> CommandError {
    CommandError::Conflict(format!("{what} is {}", if paused { "paused already" } else { "not paused" }))
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.service.busy[self.index].store(false, Ordering::Release);
    }
}
