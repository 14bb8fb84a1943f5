//! Somebody with a key, and the proof that others gave for it.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, KeyDefinition, Signer};
use crypto::{PrivateKey, Secret};
use model::KeyId;

/// A secret or a private key.
#[derive(Clone)]
pub(crate) enum Held {
    Secret(Secret),
    Private(Arc<dyn PrivateKey>),
}

impl Held {
    pub(crate) fn secret(&self) -> &Secret {
        match self {
            Self::Secret(secret) => secret,
            Self::Private(_) => panic!("this party has a private key"),
        }
    }

    pub(crate) fn private(&self) -> &Arc<dyn PrivateKey> {
        match self {
            Self::Private(key) => key,
            Self::Secret(_) => panic!("this party has a secret"),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) id: KeyId,
    pub(crate) class: Class,
    pub(crate) key: Held,
    pub(crate) proof: AuthenticatedKey,
}

impl Party {
    pub(crate) fn signer(&self) -> Signer<'_> {
        signer(self.id, self.class, &self.key)
    }

    pub(crate) fn definition(&self) -> &KeyDefinition {
        self.proof.definition()
    }
}

pub(crate) fn signer(id: KeyId, class: Class, key: &Held) -> Signer<'_> {
    match key {
        Held::Secret(secret) => Signer::with_secret(id, class, secret),
        Held::Private(key) => Signer::with_private_key(id, class, &**key),
    }
}
