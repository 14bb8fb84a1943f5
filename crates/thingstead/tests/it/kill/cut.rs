//! Kills at one known moment, in a demo that goes on: between two commits, between a commit and its file.

use std::fs;

use crate::going_on::{World, exit, json_of, said, serving, until};

// verifies: ASSURE-14.4-02, ASSURE-14.7-03
#[test]
fn a_transfer_cut_between_pending_and_completion_is_driven_on() {
    let mut world = World::new("cut-transfer");
    let device = world.devices[1].clone();
    let receiver = json_of(world.owner("owner-a", &["id"]))["id"].as_str().unwrap().to_owned();
    let (registration, bootstrap) = (serving(&world, "registration"), serving(&world, "bootstrap"));
    world.signal(&bootstrap, "STOP");
    let call = world.owner("owner-b", &["transfer", &device, "--to", &receiver, "--yes"]).spawn().unwrap();
    world.wait_for_unread(&world.address("bootstrap", "peers"));
    world.signal(&registration, "KILL");
    assert_ne!(exit(&call.wait_with_output().unwrap()), Some(0), "nothing was acknowledged");
    world.signal(&bootstrap, "CONT");
    world.serve_again("registration");
    // Nobody asks again: the registration server drives on what was pending, and the management system what
    // it had promised.
    until("the change is driven on", || world.registered(&device, "owner.transfer") == 2);
    until("the giver knows", || world.shown("owner-b", &device)["status"] == 9);
    said(world.owner("owner-a", &["accept", &device]));
    until("the receiver has its number", || world.shown("owner-a", &device)["owner_sequence_number"] == 3);
    assert_eq!(world.registered(&device, "owner.transfer"), 2, "one for each change");
    assert_eq!(world.registered(&device, "owner.claim"), 1);
    assert_eq!(world.shown("owner-b", &device)["status"], 9, "one owner");
}

// verifies: ASSURE-14.1-04c
#[test]
fn an_upload_cut_between_the_two_servers_is_repeated_and_done_once() {
    let mut world = World::new("cut-upload");
    let device = world.make();
    let (registration, bootstrap) = (serving(&world, "registration"), serving(&world, "bootstrap"));
    world.signal(&bootstrap, "STOP");
    let call = world.upload().spawn().unwrap();
    world.wait_for_unread(&world.address("bootstrap", "peers"));
    world.signal(&registration, "KILL");
    assert_ne!(exit(&call.wait_with_output().unwrap()), Some(0), "nothing was acknowledged");
    world.signal(&bootstrap, "CONT");
    world.serve_again("registration");
    said(world.upload());
    until("what was issued comes in", || world.registered(&device, "identity.import") == 1);
    let label = world.path(&format!("maker/{device}.label.png"));
    said(world.owner("owner-a", &["claim", "--label", &label]));
    until("it has its first owner", || world.shown("owner-a", &device)["owner_sequence_number"] == 1);
    assert_eq!(world.registered(&device, "maker.upload"), 1);
    world.signal("identity import", "KILL");
    until("the store is free", || world.issued(&device).is_some());
    assert_eq!(world.issued(&device), Some(1));
}

// verifies: ASSURE-14.1-10
#[test]
fn an_issue_cut_between_its_commit_and_its_files_is_written_by_the_next_run_once() {
    let world = World::new("cut-issue");
    world.signal("identity import", "KILL");
    let before = world.make();
    until("the store is free", || world.issued(&before) == Some(0));
    let mut watch = world.watch();
    said(world.upload());
    until("the watch is at work", || world.registered(&before, "identity.import") == 1);
    let device = world.make();
    let (gap, away) = (world.path("gap/from-identity"), world.path("gap/away"));
    // Where the folder was, there is another in which nobody can make a file.
    fs::rename(&gap, &away).unwrap();
    std::os::unix::fs::symlink("/proc", &gap).unwrap();
    said(world.upload());
    let ended = watch.wait().unwrap();
    assert!(!ended.success(), "it goes on without writing what it issued");
    assert_eq!(world.issued(&device), Some(1), "it is issued");
    assert_eq!(world.registered(&device, "identity.import"), 0, "and nobody knows");
    fs::remove_file(&gap).unwrap();
    fs::rename(&away, &gap).unwrap();
    let mut watch = world.watch();
    until("what was issued comes in", || world.registered(&device, "identity.import") == 1);
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(world.issued(&device), Some(1), "it is not issued a second time");
}
