"""How long the tests are in which clients and the broker are killed: what KC_CLIENTS_TRANSACTIONS (records to copy) and
KC_CLIENTS_KILLS say, and how much time that has. KC_TEST_SEED is their seed."""

from __future__ import annotations

import os

COUNT = int(os.environ.get("KC_CLIENTS_TRANSACTIONS", "1500"))
KILLS = int(os.environ.get("KC_CLIENTS_KILLS", "4"))
SEED = os.environ.get("KC_TEST_SEED", "")
WAIT_S = 100 + 25 * KILLS + COUNT // 50
"""For a busy machine."""
TIMEOUT_S = WAIT_S + 150 + COUNT // 50
"""With what comes before and after it."""
