//! Files of things, brought and fetched by curl.

use hub::{AddThing, Binding, Marks, OsapMode, ThingModel};
use model::Uuid;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::authority::origin;
use crate::console::people::code;
use crate::curl::Reply;
use crate::management::house::House;
use crate::world::World;

const CAMERA: &str = "ca000000-0000-4000-8000-0000000000ca";

/// A camera, and a clip that it has.
struct Clip<'a> {
    house: &'a House<'a>,
    content: Vec<u8>,
}

impl<'a> Clip<'a> {
    fn of(house: &'a House<'a>) -> Self {
        let model = ThingModel::new(json!({ "title": "Gate camera" })).unwrap();
        let add = AddThing {
            id: CAMERA.parse::<Uuid>().unwrap(),
            model,
            binding: Binding::Osap { serial: "CAM-1".into(), mode: OsapMode::Serial },
            marks: Marks::default(),
            origin: origin("management"),
        };
        house.world.block_on(house.executor.run(add)).unwrap().unwrap();
        Self { house, content: (0..150_000_u32).map(|at| (at % 251) as u8).collect() }
    }

    fn offered(&self) -> Value {
        let offer = json!({
            "name": "clip.mp4",
            "size": self.content.len(),
            "sha256": model::hex(&Sha256::digest(&self.content)),
        });
        let reply = self.house.call("POST", &files(), Some(&offer.to_string()));
        House::json(reply.is(201))
    }

    fn lent(&self, file: &str) -> Value {
        House::json(self.house.call("POST", &format!("{}/{file}/token", files()), None).is(201))
    }

    fn bring(&self, token: &Value, offset: usize, bytes: &[u8]) -> Reply {
        let curl = self.house.curl(None, "PATCH").header(&bearer(token));
        let curl = curl.header(&format!("Upload-Offset: {offset}")).body(&self.house.world.file(bytes));
        curl.url(&self.place(token)).run().expect("it has an answer").remove(0)
    }

    fn fetch(&self, token: &Value, headers: &[&str]) -> Reply {
        let curl = headers.iter().fold(self.house.curl(None, "GET"), |curl, header| curl.header(header));
        curl.header(&bearer(token)).url(&self.place(token)).run().expect("it has an answer").remove(0)
    }

    fn place(&self, token: &Value) -> String {
        self.house.url(&format!("/v1/files/{}", token["file"].as_str().unwrap()))
    }
}

fn files() -> String {
    format!("/things/{CAMERA}/files")
}

fn bearer(token: &Value) -> String {
    format!("Authorization: Bearer {}", token["token"].as_str().unwrap())
}

// verifies: OSAP-3-05
#[test]
fn a_file_is_brought_in_pieces_and_fetched_from_where_it_broke_off() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let clip = Clip::of(&house);
    let token = clip.offered();
    let half = 65_000;
    let offset = |reply: &Reply| reply.header("upload-offset").map(str::to_owned);
    assert_eq!(offset(clip.bring(&token, 0, &clip.content[..half]).is_empty(204)), Some("65000".into()));

    let again = clip.bring(&token, 0, &clip.content[..half]);
    assert_eq!(offset(again.is_empty(409)), Some("65000".into()), "a repeated piece says where to go on");
    clip.bring(&token, half, &clip.content[half..2 * half]).is_empty(204);
    let last = House::json(clip.bring(&token, 2 * half, &clip.content[2 * half..]).is(200));
    assert_eq!(last["sha256"], model::hex(&Sha256::digest(&clip.content)));
    clip.bring(&token, 0, b"more").is(404);

    let listed = House::json(house.call("GET", &files(), None).is(200));
    let file = listed["files"][0]["id"].as_str().unwrap();
    assert!(listed["files"][0]["arrived_unix_millis"].is_u64(), "{listed}");
    let loan = clip.lent(file);
    let whole = clip.fetch(&loan, &[]);
    assert_eq!(whole.is(200).body, clip.content);
    let rest = clip.fetch(&loan, &["Range: bytes=149990-"]);
    assert_eq!(rest.is(206).body, clip.content[149_990..]);
    assert_eq!(rest.header("content-range"), Some("bytes 149990-149999/150000"));
    clip.fetch(&loan, &["Range: bytes=150000-"]).is_empty(416);

    house.call("DELETE", &format!("{}/{file}", files()), None).is_empty(204);
    clip.fetch(&loan, &[]).is(404);
    let there = std::fs::read_dir(world.folder.join("files")).unwrap().count();
    assert_eq!(there, 0, "nothing of it is left");
}

// verifies: OSAP-3-05
#[test]
fn a_token_is_for_one_file_and_one_way() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let clip = Clip::of(&house);
    let (one, other) = (clip.offered(), clip.offered());
    let swapped = json!({ "file": one["file"], "token": other["token"] });
    let forged = json!({ "file": one["file"], "token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
    for wrong in [&swapped, &forged, &json!({ "file": one["file"], "token": "" })] {
        assert_eq!(code(clip.bring(wrong, 0, b"x").is(404)), "not-here");
    }
    clip.fetch(&one, &[]).is(404);
    let bare = house.curl(None, "GET").url(&clip.place(&one)).run().expect("it has an answer").remove(0);
    bare.is(404);
    let unarrived = format!("{}/{}/token", files(), one["file"].as_str().unwrap());
    house.call("POST", &unarrived, None).is(404);
    assert_eq!(clip.bring(&one, 0, b"x").is_empty(204).header("upload-offset"), Some("1"));
}

// verifies: OSAP-3-05
#[test]
fn other_bytes_than_announced_are_refused_and_may_come_again() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let mut clip = Clip::of(&house);
    clip.content.truncate(1000);
    let token = clip.offered();
    let mut forged = clip.content.clone();
    forged[7] ^= 1;
    assert_eq!(code(clip.bring(&token, 0, &forged).is(422)), "file-digest-wrong");
    let beyond = [&clip.content[..], b"!"].concat();
    assert_eq!(code(clip.bring(&token, 0, &beyond).is(422)), "file-size-refused");
    clip.bring(&token, 0, &clip.content).is(200);

    let offer = |body: &Value| house.call("POST", &files(), Some(&body.to_string()));
    let digest = "0".repeat(64);
    let named = |name: &str| json!({ "name": name, "size": 1, "sha256": digest });
    assert_eq!(code(offer(&named("../etc")).is(422)), "file-name-refused");
    assert_eq!(
        code(offer(&json!({ "name": "a", "size": 0, "sha256": digest })).is(422)),
        "file-size-refused"
    );
    assert_eq!(code(offer(&json!({ "name": "a", "size": 1, "sha256": "00" })).is(400)), "request-unreadable");
    let unknown = "/things/00000000-0000-4000-8000-000000000000/files";
    house.call("POST", unknown, Some(&named("a").to_string())).is(404);
    house.call("GET", unknown, None).is(404);
}
