//! A game: an event that players join, score in against the clock, and are rewarded for.

// region: timed-event
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::worker::{Activity, ActivityContext, Context, Workflow, join_all, select};
use tidegate_model::event::ParentClosePolicy;
use tidegate_model::payload::Failure;

const LOBBY: Duration = Duration::from_secs(120);
const PLAY: Duration = Duration::from_secs(600);
const PLAYERS_MIN: usize = 2;
const PLAYERS_MAX: usize = 8;

/// Puts a reward into a player's account.
pub(crate) struct GrantReward;

impl Activity for GrantReward {
    const TYPE: &'static str = "grant-reward";
    type Input = Prize;
    type Output = ();
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prize {
    pub(crate) player: String,
    pub(crate) coins: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// Whoever has so many points ends the event before its time.
    pub(crate) target: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Score {
    pub(crate) player: String,
    pub(crate) points: u32,
}

/// Points of each player, and whether the lobby is open.
#[derive(Debug, Default)]
struct Board {
    open: bool,
    points: BTreeMap<String, u32>,
}

impl Board {
    fn may_join(&self, player: &str) -> Result<(), Failure> {
        let refused = |why: &str| Err(Failure::application(why, "Refused", true));
        match () {
            () if !self.open => refused("the event has begun"),
            () if self.points.contains_key(player) => refused("this player has joined"),
            () if self.points.len() >= PLAYERS_MAX => refused("the event is full"),
            () => Ok(()),
        }
    }

    fn best(&self) -> u32 {
        self.points.values().copied().max().unwrap_or(0)
    }
}

pub(crate) struct TimedEvent;

impl Workflow for TimedEvent {
    const TYPE: &'static str = "timed-event";
    type Input = Event;
    /// The winner, if the event took place.
    type Output = Option<String>;

    async fn run(cx: Context, event: Event) -> Result<Option<String>, Failure> {
        let board = Rc::new(RefCell::new(Board { open: true, ..Board::default() }));
        let (asked, joined, shown) = (Rc::clone(&board), Rc::clone(&board), Rc::clone(&board));
        cx.on_query("board", move |(): ()| shown.borrow().points.clone());
        cx.on_update(
            "join",
            move |player: &String| asked.borrow().may_join(player),
            move |player: String| {
                let mut board = joined.borrow_mut();
                board.points.insert(player, 0);
                let players = board.points.len();
                async move { Ok(players) }
            },
        );

        // The lobby closes when it is full, or when its time is over.
        let is_full = cx.wait_until(|| board.borrow().points.len() == PLAYERS_MAX);
        select(is_full, cx.timer(LOBBY)).await;
        board.borrow_mut().open = false;
        if board.borrow().points.len() < PLAYERS_MIN {
            return Ok(None);
        }

        // Scores count in the order they came, until the time is over or somebody has enough.
        let scores = cx.signal::<Score>("score");
        let play = async {
            while board.borrow().best() < event.target {
                // A score that cannot be read, or is nobody's, counts for nobody.
                let Ok(Score { player, points }) = scores.recv().await else { continue };
                if let Some(so_far) = board.borrow_mut().points.get_mut(&player) {
                    *so_far = so_far.saturating_add(points);
                }
            }
        };
        select(play, cx.timer(PLAY)).await;

        let board = board.take();
        let best = board.best();
        let scored = board.points.iter().filter(|(_, points)| **points == best);
        let mut ahead: Vec<&String> = scored.map(|(player, _)| player).collect();
        // A tie is broken by the run's own chance: the same at every replay.
        ahead.sort_by_cached_key(|_| cx.random());
        let winner = ahead[0].clone();
        reward(&cx, &event, &board.points, &winner).await?;
        Ok(Some(winner))
    }
}

/// Everybody's reward is a workflow of its own, which goes on when this one has closed.
async fn reward(
    cx: &Context,
    event: &Event,
    points: &BTreeMap<String, u32>,
    winner: &str,
) -> Result<(), Failure> {
    let children = points.iter().map(|(player, points)| {
        let coins = points / 10 + if player == winner { 100 } else { 0 };
        let id = format!("reward/{}/{player}", event.name);
        let child = cx.child::<Reward>(id, Prize { player: player.clone(), coins });
        child.parent_close_policy(ParentClosePolicy::Abandon).start()
    });
    let children: Vec<_> = children.collect();
    join_all(children.iter().map(|child| Box::pin(child.started())))
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

pub(crate) struct Reward;

impl Workflow for Reward {
    const TYPE: &'static str = "reward";
    type Input = Prize;
    type Output = ();

    async fn run(cx: Context, prize: Prize) -> Result<(), Failure> {
        // The shop may be away for a weekend: it is tried until it takes it.
        cx.activity::<GrantReward>(prize).start_to_close(Duration::from_secs(10)).await
    }
}
// endregion

/// Carries out [`GrantReward`]: in this example, in the agent's log.
pub(crate) async fn grant_reward(cx: ActivityContext, prize: Prize) -> Result<(), Failure> {
    tracing::info!(
        player = prize.player,
        coins = prize.coins,
        key = cx.idempotency_key(),
        "coins are granted"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    // region: timed-event-test
    use tidegate::worker::testkit::World;

    const EVENT: &str = "event/hunt";

    /// An event with these players in its lobby, and what is granted.
    fn event(players: &[&str]) -> (World, Rc<RefCell<Vec<Prize>>>) {
        let granted = Rc::new(RefCell::new(Vec::new()));
        let shop = Rc::clone(&granted);
        let mut world = World::new().workflow::<TimedEvent>().workflow::<Reward>().activity::<GrantReward>(
            move |prize| {
                shop.borrow_mut().push(prize);
                Ok(())
            },
        );
        world.start::<TimedEvent>(EVENT, &Event { name: "hunt".to_owned(), target: 100 });
        for player in players {
            world.update(EVENT, "join", player, player);
        }
        world.settle();
        (world, granted)
    }

    fn score(world: &mut World, player: &str, points: u32, id: &str) {
        let score = Score { player: player.to_owned(), points };
        world.signal(EVENT, "score", &score, id).expect("the event is open");
    }

    #[test]
    fn whoever_reaches_the_target_first_wins_before_the_time_is_over() {
        let (mut world, granted) = event(&["ada", "bo"]);
        let run = world.run_of(EVENT).expect("it was started");
        world.advance(LOBBY);
        score(&mut world, "bo", 60, "1");
        score(&mut world, "stranger", 500, "2");
        score(&mut world, "ada", 100, "3");
        score(&mut world, "bo", 60, "4");
        world.settle();
        assert_eq!(world.outcome(run), Some(Ok(Some("ada".to_owned()))));
        let prize = |player: &str, coins| Prize { player: player.to_owned(), coins };
        assert_eq!(*granted.borrow(), [prize("ada", 110), prize("bo", 6)]);
        assert_eq!(world.faults(), [""; 0]);
    }
    // endregion

    #[test]
    fn a_player_who_is_late_or_there_already_is_turned_away_without_a_trace() {
        let (mut world, _) = event(&["ada", "bo"]);
        let run = world.run_of(EVENT).expect("it was started");
        let mut turned_away = |player: &str, id: &str, expected: &str| {
            let before = world.event_types(run);
            let update = world.update(EVENT, "join", &player, id);
            world.settle();
            let outcome = world.updated::<usize>(&update).expect("answered").expect("the run is open");
            assert_eq!(outcome.expect_err("turned away").message, expected);
            assert_eq!(world.event_types(run), before);
            world.advance(LOBBY);
        };
        turned_away("ada", "1", "this player has joined");
        turned_away("cy", "2", "the event has begun");
        let board: BTreeMap<String, u32> = world.query(EVENT, "board", &()).expect("it is open");
        assert_eq!(board.len(), 2);
    }

    #[test]
    fn an_event_with_one_player_does_not_take_place() {
        let (mut world, granted) = event(&["ada"]);
        let run = world.run_of(EVENT).expect("it was started");
        world.run(run, 2 * LOBBY);
        assert_eq!(world.outcome(run), Some(Ok(None::<String>)));
        assert!(granted.borrow().is_empty());
    }

    #[test]
    fn a_full_lobby_closes_at_once_and_a_tie_has_one_winner() {
        let players = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let (mut world, granted) = event(&players);
        let run = world.run_of(EVENT).expect("it was started");
        let begun = world.now();
        score(&mut world, "a", 50, "1");
        score(&mut world, "b", 50, "2");
        world.run(run, 2 * PLAY);
        assert_eq!(world.now().saturating_since(begun), PLAY, "nobody waited for the lobby's time");
        let winner: Option<String> = world.outcome(run).expect("closed").expect("completed");
        assert!(winner.is_some_and(|winner| ["a", "b"].contains(&winner.as_str())));
        world.settle();
        assert_eq!(granted.borrow().len(), players.len());
        assert_eq!(world.faults(), [""; 0]);
    }
}
