"""DBOS: decorated functions; `start_workflow` and `get_result` for many at once; `launch` recovers what was killed."""

from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.peers.subject import LONG, STEPS, Subject, Workflow, ended


class Measured(Subject):
    def open(self, _: Workflow) -> None:
        config: DBOSConfig = {
            "name": "peers",
            "system_database_url": f"sqlite:///{self.folder / 'dbos.sqlite'}",
            "log_level": "ERROR",
        }
        DBOS(config=config)

        @DBOS.step()
        def step(x: int) -> int:
            return self.step(x)

        @DBOS.workflow()
        def steps(x: int, end: int) -> int:
            while x < end:
                x = step(x)
            return x

        self._steps = steps
        DBOS.launch()

    def alone(self, runs: int) -> None:
        for _ in range(runs):
            ended(self._steps(0, STEPS))

    def crowd(self, runs: int) -> None:
        handles = [DBOS.start_workflow(self._steps, 0, STEPS) for _ in range(runs)]
        for handle in handles:
            ended(handle.get_result())

    def long(self) -> None:
        with SetWorkflowID("long"):
            self._steps(0, LONG)

    def resume(self) -> None:
        DBOS.retrieve_workflow("long").get_result()

    def close(self) -> None:
        DBOS.destroy(destroy_registry=True)
