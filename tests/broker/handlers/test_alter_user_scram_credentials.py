"""AlterUserScramCredentials and DescribeUserScramCredentials: credentials come and go, and what is kept is what
RFC 5802 says.

Method: a running broker; the stored keys against the example of RFC 7677; sentences recorded from Apache Kafka 4.3.1.
"""

import hashlib
from base64 import b64decode

import pytest

from pykafka_core.broker.handlers.alter_user_scram_credentials import records_of
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.protocol.messages import alter_user_scram_credentials_request as m
from pykafka_core.protocol.messages.describe_user_scram_credentials_request import (
    DescribeUserScramCredentialsRequest,
    UserName,
)

SHA_256, SHA_512 = 1, 2
TWICE = "A user credential cannot be altered twice in the same request"


def put(name, mechanism=SHA_256, iterations=4096, salted=b"salted"):
    return m.ScramCredentialUpsertion(
        name=name, mechanism=mechanism, iterations=iterations, salt=b"salt", salted_password=salted
    )


def drop(name, mechanism=SHA_256):
    return m.ScramCredentialDeletion(name=name, mechanism=mechanism)


def change(client, *changes):
    request = m.AlterUserScramCredentialsRequest(
        upsertions=[each for each in changes if isinstance(each, m.ScramCredentialUpsertion)],
        deletions=[each for each in changes if isinstance(each, m.ScramCredentialDeletion)],
    )
    return {each.user: (each.error_code, each.error_message) for each in client.call(request, 0).results}


def described(client, *users):
    request = DescribeUserScramCredentialsRequest(users=[UserName(name=user) for user in users] if users else None)
    answer = client.call(request, 0)
    assert answer.error_code == 0
    return {
        each.user: (each.error_code, [(info.mechanism, info.iterations) for info in each.credential_infos])
        for each in answer.results
    }


def test_credentials_come_and_go(client, name):
    other = name + "-other"
    assert change(client, put(name), put(other, SHA_512, 16384)) == {name: (0, None), other: (0, None)}
    assert change(client, put(name, SHA_512, 8192)) == {name: (0, None)}
    assert described(client, name, other) == {
        name: (0, [(SHA_256, 4096), (SHA_512, 8192)]),
        other: (0, [(SHA_512, 16384)]),
    }
    assert name in described(client)
    assert change(client, drop(name), drop(other, SHA_512)) == {name: (0, None), other: (0, None)}
    assert described(client, name, other) == {name: (0, [(SHA_512, 8192)]), other: (91, [])}
    assert change(client, drop(name, SHA_512)) == {name: (0, None)}
    assert name not in described(client)


def test_what_is_refused(client, name):
    missing = "Attempt to delete a user credential that does not exist"
    assert change(client, put(name, iterations=4095)) == {name: (93, "Too few iterations")}
    assert change(client, put(name, iterations=16385)) == {name: (93, "Too many iterations")}
    assert change(client, put("", 9, 1)) == {"": (93, "Username must not be empty")}
    assert change(client, put(name, 9, 1)) == {name: (33, "Unknown SCRAM mechanism")}
    assert change(client, put(name, salted=b"")) == {name: (93, "The salted password must not be empty")}
    assert change(client, drop(name)) == {name: (91, missing)}
    assert change(client, put(name), put(name, SHA_512)) == {name: (92, TWICE)}
    assert change(client, put(name, iterations=1), put(name)) == {name: (93, "Too few iterations")}
    assert described(client, name) == {name: (91, [])}


def test_one_user_in_error_does_not_hold_up_another(client, name):
    assert change(client, put(name), drop(name + "-missing"))[name] == (0, None)
    assert described(client, name) == {name: (0, [(SHA_256, 4096)])}
    assert described(client, name, name) == {name: (92, [])}


@pytest.mark.parametrize(
    ("mechanism", "digest"),
    [(SHA_256, "sha256"), (SHA_512, "sha512")],
)
def test_what_is_kept_does_not_hold_the_password(mechanism, digest):
    salted = hashlib.pbkdf2_hmac(digest, b"pencil", b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    (record,) = records_of(MetadataImage(), put("user", mechanism, salted=salted))
    assert salted not in (record.stored_key, record.server_key)
    if mechanism == SHA_256:
        # RFC 7677, section 3, and the keys that follow from it.
        auth = (
            b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        )
        import hmac

        signature = hmac.digest(record.server_key, auth, digest)
        assert signature == b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        key = bytes(a ^ b for a, b in zip(proof, hmac.digest(record.stored_key, auth, digest), strict=True))
        assert hashlib.new(digest, key).digest() == record.stored_key
