//! Two authorities beside each other.

use super::offline::{Factory, IMPORT};

// verifies: ASSURE-1-07
#[test]
fn two_authorities_live_side_by_side_and_take_nothing_of_each_other() {
    let (mut one, mut other) = (Factory::new(), Factory::new());
    assert_ne!(one.place.bundle().authority, other.place.bundle().authority);
    for factory in [&mut one, &mut other] {
        let (device, _) = factory.submit("p256");
        assert_eq!(factory.place.ok(IMPORT), format!("{device}\tissued\n"), "each issues its own devices");
    }
    // A record that was made for the one: even a maker that both list cannot bring it to the other.
    let station = one.place.read("st/station.file");
    other.place.write("foreign/station.file", &station);
    other.place.ok("identity stations add foreign/station.file --data id");
    let (device, record) = one.place.device("st", "secret");
    let maker = one.maker;
    other.upload(maker, device, &record);
    let said = other.place.json(IMPORT);
    assert_eq!((&said["outcome"], &said["device"]), (&"rejected".into(), &device.to_string().into()));
    // What the one answered, in the folder of the other's files.
    let answer = one.place.read(&format!("in/{}", one.registration.answer_name(&one.place.bundle(), 2)));
    let (provider, registration) = (super::offline::provider(), &other.registration);
    let opened = other.enrolments[0].identity.open(&*provider, &registration.keys.gap, &answer);
    assert!(opened.is_err(), "a server does not take the word of another identity server");
    // Where it belongs it is none the worse.
    let file = one.upload(maker, device, &record);
    assert!(one.place.path(&file).exists());
    assert_eq!(one.place.ok(IMPORT), format!("{device}\tissued\n"));
}
