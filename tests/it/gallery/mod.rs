//! The gallery through the real binary, on the local platform: each row of `firedrill::cli::gallery` is a test of its own, gives the verdict
//! that the gallery says, for the reason given there, and shows what its example's README says beside it.
//!
//! A row that needs programs that are not here fails, and says what to install: a gallery that was not run shows nothing.

mod blog;
mod carts;
mod chat;
mod containers;
mod deployments;
mod names;
mod phoenix;
mod rig;
mod shop;

use rig::Shown;
use serde_json::Value as Json;

/// The tests: a name, the row, and what else its result must show.
macro_rules! rows {
    ($($test:ident: $row:literal, $more:expr;)+) => {
        $(#[test]
        fn $test() {
            let more: fn(&Json) = $more;
            rig::drill($row, more);
        })+

        const TESTED: &[&str] = &[$($row),+];
    };
}

/// Its verdict is all.
fn nothing_more(_: &Json) {}

rows! {
    containers_router: "containers/router", containers::the_router_is_a_single_point;
    containers_files: "containers/files", nothing_more;
    containers_api: "containers/api", nothing_more;
    containers_worker: "containers/worker", containers::jobs_waited;
    containers_careless: "containers/careless", containers::what_it_had_in_hand_is_lost;
    containers_queue: "containers/queue", containers::jobs_waited_in_the_queue;
    containers_queue_in_memory: "containers/queue-in-memory", containers::what_waited_is_lost;
    containers_database: "containers/database", containers::what_came_after_the_backup_is_lost;
    containers_disk_kept: "containers/disk-kept", containers::every_job_is_there;
    names_hour: "names/hour", names::visitors_disagree;
    names_unchecked: "names/unchecked", names::all_lose_a_third;
    names_seconds: "names/seconds", nothing_more;
    shop_memory: "shop/memory", nothing_more;
    shop_sticky: "shop/sticky", shop::only_carts_of_the_dead_are_lost;
    shop_cookie: "shop/cookie", nothing_more;
    shop_redis: "shop/redis", nothing_more;
    shop_store: "shop/store", nothing_more;
    shop_standby: "shop/standby", nothing_more;
    shop_rejects: "shop/rejects", nothing_more;
    shop_asynchronous: "shop/asynchronous", shop::a_few_orders_are_lost;
    shop_synchronous: "shop/synchronous", shop::no_order_is_lost;
    shop_orders_asynchronous: "shop/orders-asynchronous", shop::some_orders_are_lost_and_some_were_stale;
    shop_orders_cached: "shop/orders-cached", shop::no_order_is_lost_or_stale;
    shop_doors: "shop/doors", nothing_more;
    shop_doors_open: "shop/doors-open", nothing_more;
    chat_one_user_server: "chat/one-user-server", nothing_more;
    chat_lease_only: "chat/lease-only", nothing_more;
    chat_users: "chat/users", nothing_more;
    chat_tokens: "chat/tokens", chat::the_dependency_is_named;
    chat_upgrade: "chat/upgrade", nothing_more;
    chat_upgrade_abrupt: "chat/upgrade-abrupt", nothing_more;
    chat_balancer: "chat/balancer", chat::the_single_point_is_named;
    chat_one_etcd: "chat/one-etcd", nothing_more;
    chat_two_etcd: "chat/two-etcd", nothing_more;
    chat_queue: "chat/queue", nothing_more;
    chat_server: "chat/server", nothing_more;
    chat_monolith: "chat/monolith", nothing_more;
    chat_one_server: "chat/one-server", nothing_more;
    blog_own_disk: "blog/own-disk", blog::readings_missed_pictures;
    blog_own_disk_lost: "blog/own-disk-lost", blog::a_part_is_lost;
    blog_shared_disk: "blog/shared-disk", blog::all_is_there;
    phoenix_golden: "phoenix/golden", phoenix::all_are_new;
    phoenix_bootstrap: "phoenix/bootstrap", phoenix::the_golden_image_is_faster;
    phoenix_no_source: "phoenix/no-source", nothing_more;
    phoenix_no_source_bootstrap: "phoenix/no-source-bootstrap", nothing_more;
    phoenix_drift: "phoenix/drift", phoenix::drift_is_named;
    deployments_rolling: "deployments/rolling", deployments::both_versions_served;
    deployments_rolling_abrupt: "deployments/rolling-abrupt", deployments::some_were_cut;
    deployments_blue_green: "deployments/blue-green", deployments::the_new_version_served;
    deployments_canary: "deployments/canary", deployments::the_canary_got_its_share;
    deployments_all_at_once: "deployments/all-at-once", deployments::half_of_them_failed;
}

/// Two seeds; `cargo bench --bench gallery` does twenty.
#[test]
fn as_many_carts_are_lost_as_the_shop_counted_on_the_dead_server() {
    let _quiet = crate::support::quiet::quiet();
    for seed in [1, 2] {
        let counted = carts::count(seed);
        assert!(counted.held > 0 && counted.agree(), "seed {seed}: {counted:?}");
    }
}

#[test]
fn every_row_has_its_test() {
    let mut missing = Vec::new();
    for example in firedrill::cli::gallery::EXAMPLES {
        missing.extend(
            example.rows.iter().map(|row| format!("{}/{}", example.name, row.name)).filter(|name| !TESTED.contains(&name.as_str())),
        );
    }
    assert!(missing.is_empty(), "no test runs {missing:?}");
}

/// What a README shows of a row is what the gallery says of it: the file, the environment, the verdict.
#[test]
fn the_readmes_tell_the_verdicts_of_the_gallery() {
    for example in firedrill::cli::gallery::EXAMPLES {
        let readme = rig::folder(example.name).join("README.md");
        let text = std::fs::read_to_string(&readme).unwrap_or_else(|error| panic!("{}: {error}", readme.display()));
        for row in example.rows {
            let command = format!("{} --env {}", row.file, row.environment);
            let told = text.lines().find(|line| line.starts_with('|') && line.contains(&format!("{command}`")));
            let told = told.unwrap_or_else(|| panic!("{} has no line of a table with `{command}`", readme.display()));
            let word = match Shown::of(row.expected) {
                Shown::Passed => "| passes",
                Shown::Failed => "| **fails**",
                Shown::NotStarted => "| **not started**",
            };
            assert!(told.contains(word), "{}: {told}\nshould say {word}", readme.display());
        }
    }
}
