//! Schedules: rule 46 of Temporal's semantics, one test for each part of it.

use tidegate_engine::{Reply, Request};
use tidegate_model::payload::{Header, Payload};

use crate::schedule_stage::{check, create, namespace, schedule_id};
use crate::world::World;

#[test]
fn rule_46_an_action_starts_a_workflow_named_after_its_time_and_found_by_it() {
    check(
        "
        > create every=1h phase=30m
        created, token 1
        > wait 29m
        > wait 1m
        starts 01-01T00:30:00
        > describe
        1 taken, runs 01-01T00:30:00
        > handed 01-01T00:30:00
        result nothing, failure none
        by \"s\" at \"2026-01-01T00:30:00Z\"
        from temporal-scheduler-default-s as sched-1767225600000000-1
        > recent
        01-01T00:30:00 Running
        > done 01-01T00:30:00
        > recent
        01-01T00:30:00 Completed
        > wait 3h
        starts 01-01T01:30:00
        > describe
        2 taken, 2 skipped, runs 01-01T01:30:00
        ",
    );
}

#[test]
fn rule_46_the_default_is_to_skip_and_a_window_of_a_year_but_never_less_than_ten_seconds() {
    check(
        "
        > create every=1h
        created, token 1
        > policies
        Skip, catch-up 31536000s, token 1
        > update every=1h catch-up=1s
        > policies
        Skip, catch-up 10s, token 2
        ",
    );
}

mod pausing {
    use super::check;

    #[test]
    fn rule_46_a_paused_schedule_lets_its_times_pass_for_good() {
        check(
            "
            > create every=1h
            created, token 1
            > pause for the night
            > wait 5h
            > describe
            0 taken, paused: for the night
            > future
            01-01T06:00:00
            01-01T07:00:00
            01-01T08:00:00
            01-01T09:00:00
            01-01T10:00:00
            01-01T11:00:00
            01-01T12:00:00
            01-01T13:00:00
            01-01T14:00:00
            01-01T15:00:00
            > unpause good morning
            > describe
            0 taken: good morning
            > wait 1h
            starts 01-01T06:00:00
            > policies
            Skip, catch-up 31536000s, token 3
            ",
        );
    }

    #[test]
    fn what_was_due_before_the_pause_is_done() {
        check(
            "
            > create every=1h overlap=buffer-all
            created, token 1
            > off 150m
            starts 01-01T01:00:00
            > describe
            1 taken, 1 waiting, runs 01-01T01:00:00
            > pause
            > pause now
            > done 01-01T01:00:00
            > describe
            1 taken, paused: now
            ",
        );
    }

    #[test]
    fn rule_46_a_failed_run_pauses_a_schedule_that_wants_it_and_says_why() {
        check(
            "
            > create every=1h pause-on-failure overlap=buffer-all
            created, token 1
            > wait 2h
            starts 01-01T01:00:00
            > fail 01-01T01:00:00 oops
            > describe
            1 taken, paused: paused due to workflow failure: w-2026-01-01T01:00:00Z: oops
            > wait 5h
            > policies
            BufferAll, catch-up 31536000s, token 2
            > unpause mended
            > wait 1h
            starts 01-01T08:00:00
            > done 01-01T08:00:00
            > describe
            2 taken: mended
            ",
        );
    }

    #[test]
    fn a_paused_schedule_still_does_what_is_asked_for_by_hand() {
        check(
            "
            > create every=1h paused
            created, token 1
            > wait 90m
            > trigger
            starts 01-01T01:30:00
            > done 01-01T01:30:00
            > backfill 01-01T00:00 01-01T02:00
            starts 01-01T00:00:00
            > describe
            2 taken, 2 skipped, runs 01-01T00:00:00, paused
            ",
        );
    }
}

mod by_hand {
    use super::check;

    #[test]
    fn rule_46_a_trigger_starts_at_once_under_its_own_policy_or_the_schedules() {
        check(
            "
            > create cron=0_0_1_*_* trigger
            starts 01-01T00:00:00
            created, token 1
            > wait 10s
            > trigger
            > describe
            1 taken, 1 skipped, runs 01-01T00:00:00
            > trigger overlap=all
            starts 01-01T00:00:10
            > trigger overlap=buffer-one at=01-01T00:00:20
            > describe
            2 taken, 1 skipped, 1 waiting, runs 01-01T00:00:00
            > done 01-01T00:00:00
            starts 01-01T00:00:20
            ",
        );
    }

    #[test]
    fn rule_46_a_backfill_takes_the_times_of_its_stretch_with_both_ends() {
        check(
            "
            > create every=1h overlap=buffer-all
            created, token 1
            > backfill 01-01T05:00 01-01T07:00
            starts 01-01T05:00:00
            > describe
            1 taken, 2 waiting, runs 01-01T05:00:00
            > done 01-01T05:00:00
            starts 01-01T06:00:00
            > done 01-01T06:00:00
            starts 01-01T07:00:00
            > done 01-01T07:00:00
            > describe
            3 taken
            ",
        );
    }

    #[test]
    fn a_long_backfill_beside_others_goes_ten_at_a_time() {
        check(
            "
            > create every=1m overlap=all paused
            created, token 1
            > backfill 02-01T00:01 02-01T00:15
            starts 02-01T00:01:00
            starts 02-01T00:02:00
            starts 02-01T00:03:00
            starts 02-01T00:04:00
            starts 02-01T00:05:00
            starts 02-01T00:06:00
            starts 02-01T00:07:00
            starts 02-01T00:08:00
            starts 02-01T00:09:00
            starts 02-01T00:10:00
            > wait 999ms
            > crash
            > wait 1ms
            starts 02-01T00:11:00
            starts 02-01T00:12:00
            starts 02-01T00:13:00
            starts 02-01T00:14:00
            starts 02-01T00:15:00
            > wait 1h
            > describe
            15 taken, paused
            ",
        );
    }

    #[test]
    fn a_time_done_by_hand_does_not_keep_the_schedule_from_it() {
        check(
            "
            > create every=1h overlap=all
            created, token 1
            > backfill 01-01T01:00 01-01T01:00
            starts 01-01T01:00:00
            > done 01-01T01:00:00
            > backfill 01-01T01:00 01-01T01:00
            starts 01-01T01:00:00
            ",
        );
    }
}

mod limits {
    use super::check;

    #[test]
    fn rule_46_a_limited_schedule_counts_down_and_then_does_nothing_more_by_itself() {
        check(
            "
            > create every=1h actions=2 overlap=all
            created, token 1
            > future
            01-01T01:00:00
            01-01T02:00:00
            > wait 5h
            starts 01-01T01:00:00
            starts 01-01T02:00:00
            > describe
            2 taken, 0 left
            > future
            > policies
            AllowAll, catch-up 31536000s, token 3
            > trigger
            starts 01-01T05:00:00
            > update every=1h actions=1 overlap=all
            > wait 2h
            starts 01-01T06:00:00
            > describe
            4 taken, 0 left
            ",
        );
    }

    #[test]
    fn a_limited_schedule_takes_no_more_actions_at_once_than_are_left() {
        check(
            "
            > create every=1h actions=2 overlap=all
            created, token 1
            > off 5h
            starts 01-01T01:00:00
            starts 01-01T02:00:00
            > describe
            2 taken, 0 left
            > update every=1h actions=2 overlap=buffer-all
            > off 5h
            starts 01-01T06:00:00
            > describe
            3 taken, 4 waiting, runs 01-01T06:00:00, 1 left
            > done 01-01T06:00:00
            starts 01-01T07:00:00
            > done 01-01T07:00:00
            > describe
            4 taken, 0 left
            ",
        );
    }

    #[test]
    fn what_is_skipped_does_not_count_against_the_actions_left() {
        check(
            "
            > create every=1h actions=2
            created, token 1
            > wait 3h
            starts 01-01T01:00:00
            > describe
            1 taken, 2 skipped, runs 01-01T01:00:00, 1 left
            ",
        );
    }

    #[test]
    fn a_schedule_that_is_done_goes_after_a_week_and_a_paused_one_stays() {
        check(
            "
            > create every=1h until=01-01T01:00
            created, token 1
            > wait 1h
            starts 01-01T01:00:00
            > done 01-01T01:00:00
            > wait 7d
            > describe
            not found: schedule not found: s
            > create every=1h until=01-01T01:00 paused
            created, token 1
            > wait 30d
            > describe
            0 taken, paused
            ",
        );
    }

    #[test]
    fn no_more_than_a_thousand_actions_wait() {
        check(
            "
            > create every=1m overlap=buffer-all
            created, token 1
            > off 1100m
            starts 01-01T00:01:00
            > describe
            1 taken, 99 dropped, 1000 waiting, runs 01-01T00:01:00
            ",
        );
    }
}

mod identity {
    use super::check;

    #[test]
    fn rule_29_the_same_request_is_taken_once() {
        check(
            "
            > create every=1h request=c
            created, token 1
            > create every=1h request=c
            created, token 1
            > create every=1h request=d
            exists: s
            > trigger request=t overlap=all
            starts 01-01T00:00:00
            > wait 1s
            > crash
            > trigger request=t overlap=all
            > update every=2h request=u
            > update every=3h request=u
            > policies
            Skip, catch-up 31536000s, token 2
            > times 01-01T00:00 01-01T07:00
            01-01T02:00:00
            01-01T04:00:00
            01-01T06:00:00
            > trigger overlap=all
            starts 01-01T00:00:01
            ",
        );
    }

    #[test]
    fn rule_46_an_update_of_what_has_changed_meanwhile_is_refused() {
        check(
            "
            > create every=1h
            created, token 1
            > update every=2h token=1
            > update every=3h token=1
            precondition: mismatched conflict token: the schedule has changed since it was described
            > update every=3h token=2
            > pause now
            > update every=4h token=3
            precondition: mismatched conflict token: the schedule has changed since it was described
            > update every=4h
            > policies
            Skip, catch-up 31536000s, token 5
            ",
        );
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        check(
            "
            > describe
            not found: schedule not found: s
            > trigger
            not found: schedule not found: s
            > update every=1h
            not found: schedule not found: s
            > delete
            not found: schedule not found: s
            > times 01-01T00:00 01-01T07:00
            not found: schedule not found: s
            > create every=1h
            created, token 1
            > wait 1h
            starts 01-01T01:00:00
            > delete
            > describe
            not found: schedule not found: s
            > wait 5h
            > done 01-01T01:00:00
            > create every=1h
            created, token 1
            ",
        );
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_the_field() {
        check(
            "
            > create cron=61_*_*_*_*
            invalid: Invalid schedule spec: cron_string[0].minute: \"61\" is not in the range 0 to 59
            > create every=1h zone=Mars/Olympus
            invalid: Invalid schedule spec: timezone_name: \"Mars/Olympus\" is not in the IANA database, where zones are called Europe/Berlin
            > create every=1h
            created, token 1
            > backfill 01-02T00:00 01-01T00:00
            invalid: patch.backfill_request[0]: it ends (2026-01-01T00:00:00.000Z) before it starts (2026-01-02T00:00:00.000Z)
            ",
        );
    }
}

/// What an SDK that describes a schedule goes by.
#[test]
fn the_search_attributes_of_an_action_are_shown_with_their_types() {
    let mut world = World::new(7);
    let Request::CreateSchedule(mut create) = create("every=1h") else { panic!("it is to be created") };
    let untyped = Header::from([(String::from("BuildIds"), Payload::json("[\"b\"]"))]);
    create.schedule.action.search_attributes = untyped;
    world.request(Request::CreateSchedule(create));
    let describe = Request::DescribeSchedule { namespace: namespace(), schedule_id: schedule_id() };
    let (_, mut replies) = world.request(describe);
    let Some((_, Ok(Reply::ScheduleDescribed(described)))) = replies.pop() else { panic!("a description") };
    let kind = &described.schedule.action.search_attributes["BuildIds"].metadata["type"];
    assert_eq!(kind.as_slice(), b"KeywordList");
}

mod updating {
    use super::check;

    #[test]
    fn an_update_changes_the_times_from_the_present_on() {
        check(
            "
            > create every=1h overlap=all
            created, token 1
            > wait 90m
            starts 01-01T01:00:00
            > update every=30m phase=15m overlap=all
            > describe
            1 taken
            > wait 1h
            starts 01-01T01:45:00
            starts 01-01T02:15:00
            ",
        );
    }

    #[test]
    fn what_was_due_under_the_old_times_is_done_under_the_old_action() {
        check(
            "
            > create every=1h overlap=all
            created, token 1
            > wait 59m
            > off 2m
            starts 01-01T01:00:00
            > update every=1h id=v overlap=all
            > wait 59m
            starts v-2026-01-01T02:00:00
            ",
        );
    }

    #[test]
    fn times_of_a_zone_are_the_walls() {
        check(
            "
            > create cron=30_2_*_*_* zone=Europe/Berlin
            created, token 1
            > times 03-28T00:00 03-31T00:00
            03-28T01:30:00
            03-30T00:30:00
            > times 10-24T00:00 10-26T12:00
            10-24T00:30:00
            10-25T00:30:00
            10-25T01:30:00
            10-26T01:30:00
            ",
        );
    }
}

#[test]
fn schedules_are_listed_and_counted_by_what_they_are_found_by() {
    check(
        "
        > create every=1h
        created, token 1
        > list
        s starts report
        > pause now
        > list TemporalSchedulePaused~true
        s starts report paused
        > list TemporalSchedulePaused~false
        > list ScheduleId~\"s\"
        s starts report paused
        > list ScheduleId~\"other\"
        > count TemporalSchedulePaused~true
        1
        > count
        1
        ",
    );
}

#[test]
fn a_list_of_times_has_the_jitter() {
    check(
        "
        > create every=1h jitter=30m
        created, token 1
        > times 01-01T00:00 01-01T02:30
        01-01T01:28:51.290
        01-01T02:16:20.095
        ",
    );
}
