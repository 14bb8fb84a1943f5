//! Clients of the broker: their certificates, and those that act for the owner.

use certificate::{CERTIFICATE, Issuer, Lifetime, PRIVATE_KEY, pem_from_der};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, Provider as _};
use crypto_server::Server;
use serde_json::{Value, json};

use super::people::{PASSWORD, Person, code, root};
use super::schema::is_as_described;
use crate::curl::Reply;
use crate::management::house::House;
use crate::world::World;

/// A certificate that its key signed, and that key.
fn pair(seed: u64) -> (String, String) {
    let (provider, mut dice) = (Server::new(), Dice::numbered(seed));
    let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
    let private = pem_from_der(PRIVATE_KEY, key.pkcs8().unwrap().expose()).unwrap();
    let lifetime = Lifetime { from: Timestamp::from_unix_millis(1_767_225_600_000), until: None };
    let issuer = Issuer::self_signed_ca(&provider, key, "lamp", lifetime, &mut dice).unwrap();
    (pem_from_der(CERTIFICATE, issuer.certificate()).unwrap(), private)
}

fn put(house: &House<'_>, who: &Person, name: &str, pem: &str) -> Reply {
    let path = format!("/v1/clients/{name}/certificate");
    let curl = who.curl(house, "PUT").body(&house.world.file(pem.as_bytes()));
    let reply = curl.url(&house.url(&path)).run().expect("it has an answer").remove(0);
    is_as_described("PUT", &path, &reply);
    reply
}

fn listed(house: &House<'_>, who: &Person) -> Vec<(String, bool, bool)> {
    let all = House::json(who.get(house, "/v1/clients").is(200));
    let of = |one: &Value| {
        let name = one["name"].as_str().unwrap().to_owned();
        (name, one["has_certificate"].as_bool().unwrap(), one["for_owner"].as_bool().unwrap())
    };
    all["clients"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_client_is_given_certificates_by_an_administrator_alone_and_each_key_is_one_clients() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    for name in ["lamp", "meter"] {
        let add = json!({ "name": name, "password": PASSWORD });
        root.call(&house, "POST", "/v1/clients", &add).is_empty(201);
    }
    let remote = json!({ "name": "remote", "password": PASSWORD, "for_owner": true });
    root.call(&house, "POST", "/v1/clients", &remote).is_empty(201);
    let ((one, key), (other, _)) = (pair(1), pair(2));
    put(&house, &root, "lamp", &one).is_empty(204);
    assert_eq!(code(put(&house, &root, "meter", &one).is(409)), "certificate-taken");
    assert_eq!(
        code(put(&house, &root, "meter", &[other.clone(), one.clone()].concat()).is(409)),
        "certificate-taken"
    );
    let five = other.repeat(5);
    let long = format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", "QUJDRA==\n");
    for wrong in ["", "no PEM", &key, &[one.clone(), key.clone()].concat(), &five, &long, &one[..200]] {
        assert_eq!(code(put(&house, &root, "lamp", wrong).is(422)), "certificate-refused", "{wrong}");
    }
    assert_eq!(code(put(&house, &root, "nobody", &other).is(404)), "client-unknown");
    let user = root.user(&house, "ina", &["installer", "owner"]);
    assert_eq!(code(put(&house, &user, "lamp", &other).is(403)), "not-permitted");
    let path = "/v1/clients/lamp/certificate";
    assert_eq!(code(user.call(&house, "DELETE", path, &Value::Null).is(403)), "not-permitted");
    let owned = |text: &str, certificate, for_owner| (text.to_owned(), certificate, for_owner);
    assert_eq!(
        listed(&house, &root),
        [owned("lamp", true, false), owned("meter", false, false), owned("remote", false, true)]
    );
    root.call(&house, "DELETE", path, &Value::Null).is_empty(204);
    put(&house, &root, "meter", &one).is_empty(204);
    let gone = root.call(&house, "DELETE", "/v1/clients/nobody/certificate", &Value::Null);
    assert_eq!(code(gone.is(404)), "client-unknown");
    assert_eq!(listed(&house, &root)[..2], [owned("lamp", false, false), owned("meter", true, false)]);
}
