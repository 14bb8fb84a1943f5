//! Who deals with the authority: makers with their devices, and management systems.

use std::sync::Arc;

use assure_json::{Capabilities, DeviceKey, DeviceRecord};
use assure_proto::ecies::EciesContext;
use assure_proto::{
    CaseId, Class, MakerRecord, ParameterChoice, ParameterMessage, ParameterMethod, ParameterSet,
    PayloadForm, Signer,
};
use authority::identity::{AddStation, Station, Submitted};
use certificate::{CertificateIdentity, identity_of, make_request};
use crypto::{Curve, KeyKind, PrivateKey, Secret};
use model::{KeyId, ManagementId, Uuid};

use crate::authority::{Authority, dice, origin, since_now};
use crate::curl::{Credentials, Reply};
use crate::gap;
use crate::world::{Api, World};

pub(crate) const P256: KeyKind = KeyKind::Ec(Curve::P256);

/// What a device was born with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Secret,
    Ec,
    Rsa,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Secret, Self::Ec, Self::Rsa];
}

/// A maker with its station.
pub(crate) struct Maker {
    pub(crate) id: Uuid,
    pub(crate) credentials: Credentials,
    station_id: KeyId,
    station: Arc<dyn PrivateKey>,
}

/// A device as its maker knows it.
pub(crate) struct Device {
    pub(crate) uuid: Uuid,
    /// 32 hex digits.
    pub(crate) case: String,
    pub(crate) key: DeviceKey,
    pub(crate) private: Option<Arc<dyn PrivateKey>>,
    pub(crate) set: Uuid,
}

/// A management system.
pub(crate) struct Owner {
    pub(crate) id: ManagementId,
    pub(crate) key: Arc<dyn PrivateKey>,
    pub(crate) class_2: KeyId,
    pub(crate) credentials: Credentials,
}

pub(crate) fn key(kind: KeyKind) -> Arc<dyn PrivateKey> {
    Authority::of_this_run().provider.generate_key(kind, &mut dice()).unwrap()
}

pub(crate) fn csr(key: &dyn PrivateKey) -> Vec<u8> {
    make_request(key, "a test", &mut dice()).unwrap()
}

/// A parameter set with one message that says `name`.
pub(crate) fn parameter_set(name: &str) -> Vec<u8> {
    let message = ParameterMessage {
        method: ParameterMethod::Put,
        path: "/v1/channels/1".into(),
        payload: PayloadForm::Channel,
        required: true,
        min: 1,
        max: 2,
        description: Some(name.into()),
        further: Vec::new(),
    };
    let choice = ParameterChoice { name: "standard".into(), messages: vec![message] };
    ParameterSet { name: name.into(), choices: vec![choice] }.encode()
}

impl Maker {
    /// The record of a device, signed by the station and encrypted to the identity server.
    pub(crate) fn blob(&self, device: &Device) -> Vec<u8> {
        self.blob_of(device.uuid, device.record().to_json().expose())
    }

    /// Any bytes in the place of the record.
    pub(crate) fn blob_of(&self, device: Uuid, json: &[u8]) -> Vec<u8> {
        let authority = Authority::of_this_run();
        let (provider, mut dice) = (&*authority.provider, dice());
        let station = Signer::with_private_key(self.station_id, Class::Manufacturer, &*self.station);
        let record = MakerRecord::sign(provider, &station, since_now(), json, &mut dice).unwrap();
        let context = EciesContext { maker: self.id, device };
        record.seal(provider, &authority.bundle.identity_key, context, &mut dice).unwrap()
    }
}

impl Device {
    /// A device that nobody has uploaded yet.
    pub(crate) fn new(kind: Kind, set: Uuid) -> Self {
        let mut dice = dice();
        let private = match kind {
            Kind::Secret => None,
            Kind::Ec => Some(key(P256)),
            Kind::Rsa => Some(Authority::of_this_run().rsa[0].clone()),
        };
        let key = match &private {
            Some(key) => DeviceKey::Public(key.public().clone()),
            None => DeviceKey::Secret(Secret::new(dice.bytes::<32>().to_vec())),
        };
        let case = CaseId::draw(&mut dice).case_string().to_string();
        Self { uuid: Uuid::v4(dice.bytes()), case, key, private, set }
    }

    pub(crate) fn record(&self) -> DeviceRecord {
        let mut capabilities = Capabilities { ec_capable: true, sha384_capable: true, ..Default::default() };
        capabilities.more.insert("later_capable".into(), true.into());
        DeviceRecord {
            id: self.uuid,
            bootstrap_server: 0x7e57,
            case_string: Secret::from(self.case.as_bytes()),
            key: self.key.clone(),
            parameter_set: self.set,
            capabilities,
        }
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/v1/devices/{}{what}", self.uuid)
    }
}

impl World {
    /// A maker that the operator certified and whose station is listed.
    pub(crate) fn maker(&self) -> Maker {
        let (id, own) = (Uuid::v4(dice().bytes()), key(P256));
        let path = format!("/v1/makers/{id}/certificate");
        let reply = self.call(Api::Platform, &self.operator, "PUT", &path, Some(&csr(&*own)));
        let credentials = self.credentials(&reply.is(201).body, &*own);
        let maker = Maker { id, credentials, station_id: KeyId(dice().bytes()), station: key(P256) };
        self.list_station(&maker);
        maker
    }

    fn list_station(&self, maker: &Maker) {
        let station = Station { maker: maker.id, key: maker.station.public().clone() };
        let add = AddStation { id: maker.station_id, station, origin: origin("identity") };
        assert_eq!(gap::ran(&self.identity, &add), Ok(true));
    }

    /// The same maker with a station that nobody listed.
    pub(crate) fn unlisted_station(&self, maker: &Maker) -> Maker {
        let (station_id, station) = (KeyId(dice().bytes()), key(P256));
        Maker { id: maker.id, credentials: maker.credentials.clone(), station_id, station }
    }

    pub(crate) fn upload(&self, maker: &Maker, device: &Device) -> Reply {
        let blob = maker.blob(device);
        self.call(Api::Maker, &maker.credentials, "PUT", &device.path(""), Some(&blob))
    }

    /// Uploads a parameter set: its UUID.
    pub(crate) fn upload_set(&self, maker: &Maker, bytes: &[u8]) -> Uuid {
        let reply = self.call(Api::Maker, &maker.credentials, "POST", "/v1/parametersets", Some(bytes));
        std::str::from_utf8(&reply.is(201).body).unwrap().parse().unwrap()
    }

    /// A device of this maker, uploaded and issued.
    pub(crate) fn device_of(&self, maker: &Maker, kind: Kind) -> Device {
        let device = Device::new(kind, self.upload_set(maker, &parameter_set("demo")));
        self.upload(maker, &device).is(201);
        assert_eq!(self.carry_gap(), [Submitted::Issued]);
        device
    }

    /// A device of a new maker, uploaded and issued.
    pub(crate) fn device(&self, kind: Kind) -> Device {
        self.device_of(&self.maker(), kind)
    }

    pub(crate) fn register(&self, csr: &[u8]) -> Reply {
        self.try_call(Api::Owner, None, "POST", "/v1/managementsystems", Some(csr)).unwrap()
    }

    /// A management system that registered.
    pub(crate) fn owner(&self) -> Owner {
        let key = key(P256);
        let reply = self.register(&csr(&*key));
        let CertificateIdentity::Management { id, class_2_key } = identity_of(&reply.is(201).body).unwrap()
        else {
            panic!("a management system's certificate")
        };
        let credentials = self.credentials(&reply.body, &*key);
        Owner { id, key, class_2: class_2_key, credentials }
    }

    /// `PUT owner` with this query, by this management system.
    pub(crate) fn own(&self, who: &Owner, device: &Device, query: &str) -> Reply {
        let path = device.path(&format!("/owner{query}"));
        self.call(Api::Owner, &who.credentials, "PUT", &path, None)
    }

    pub(crate) fn claim(&self, who: &Owner, device: &Device) -> Reply {
        self.own(who, device, &format!("?case_string={}", device.case))
    }

    pub(crate) fn transfer(&self, who: &Owner, device: &Device, to: &Owner) -> Reply {
        self.own(who, device, &format!("?mgmtid={}", to.id))
    }

    /// What the registration server says to the bootstrap server: number and owner.
    pub(crate) fn owner_of(&self, device: &Device) -> (u32, Option<ManagementId>) {
        let read = authority::registration::ReadOwner { device: device.uuid };
        let now = gap::ran(&*self.registration, &read).unwrap().expect("an issued device");
        (now.seq, now.owner)
    }

    /// A call of this management system about a device.
    pub(crate) fn about(
        &self,
        who: &Owner,
        method: &str,
        device: &Device,
        what: &str,
        body: Option<&[u8]>,
    ) -> Reply {
        self.call(Api::Owner, &who.credentials, method, &device.path(what), body)
    }
}
