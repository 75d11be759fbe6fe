"""The contract of a store: one suite, which every store passes.

class TestPostgres(Contract):
    @pytest.fixture
    def opened(self) -> Opener: ...
"""

from tests.store.contract_attempts import Attempts
from tests.store.contract_batches import Batches
from tests.store.contract_census import Lately, Present
from tests.store.contract_claims import Claims
from tests.store.contract_commits import Commits
from tests.store.contract_crowds import Crowds
from tests.store.contract_ledgers import Ledgers
from tests.store.contract_listing import Listing
from tests.store.contract_migration import Migration
from tests.store.contract_moves import Moves
from tests.store.contract_past import Past
from tests.store.contract_pauses import Pauses
from tests.store.contract_pruning import Pruning
from tests.store.contract_records import Records
from tests.store.contract_removal import Removal
from tests.store.contract_runs import Runs, Workflows
from tests.store.contract_signals import Signals
from tests.store.contract_standings import Standings


class Contract(
    Workflows,
    Runs,
    Claims,
    Crowds,
    Commits,
    Batches,
    Migration,
    Listing,
    Moves,
    Past,
    Ledgers,
    Pauses,
    Records,
    Removal,
    Pruning,
    Signals,
    Standings,
    Attempts,
    Present,
    Lately,
):
    """Everything that `fsm.store.Store` promises."""
