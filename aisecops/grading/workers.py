"""Runs gradings side by side: in threads over this machine's warm server, or on a Dask cluster.

A thread only waits for the two processes that do the work. Jobs are taken from an iterator as workers get
free, and results given out as they come, so that a batch of any size needs the memory of a few.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from aisecops.course import CourseError
from aisecops.grading.submission import Graded, Job, Master, Settings, failed, grade

Result = tuple[Job, Graded]
_AHEAD = 2  # jobs that wait for each worker


def here(master: Master, jobs: Iterable[Job], settings: Settings, workers: int) -> Iterator[Result]:
    """Grade on this machine.

    Args:
        master: the month.
        jobs: the submissions.
        settings: how to grade.
        workers: how many at the same time.
    """
    with ThreadPoolExecutor(workers) as pool:
        yield from _flow(master, jobs, lambda job: pool.submit(grade, master, job, settings), workers)


def on_cluster(master: Master, jobs: Iterable[Job], settings: Settings, address: str) -> Iterator[Result]:
    """Grade on the workers of a Dask cluster, which need only this package.

    A submission whose worker dies goes to another one; if it takes three along, it needs a person.

    Args:
        master: the month; each worker gets it once.
        jobs: the submissions.
        settings: how to grade.
        address: of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises:
        CourseError: no scheduler answers there, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise CourseError(
            "the package distributed is not installed: run `pip install 'aisecops[cluster]'`"
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise CourseError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        width = sum(client.nthreads().values())
        if not width:
            raise CourseError(f"the Dask scheduler at {address} has no workers: start some")
        sent = client.scatter(master, broadcast=True)

        def submit(job: Job) -> Any:
            return client.submit(grade, sent, job, settings, pure=False)

        yield from _flow(master, jobs, submit, width)


def _flow(master: Master, jobs: Iterable[Job], submit: Callable[[Job], Any], width: int) -> Iterator[Result]:
    waiting: dict[Any, Job] = {}
    source = iter(jobs)
    more = True
    while more or waiting:
        while more and len(waiting) < width * _AHEAD:
            try:
                job = next(source)
            except StopIteration:
                more = False
            else:
                waiting[submit(job)] = job
        for future in _ended(waiting):
            job = waiting.pop(future)
            try:
                yield job, future.result()
            except CourseError:
                raise
            except Exception as error:
                why = f"its grading failed ({type(error).__name__}: {error})"
                yield job, failed(master, job, why)


def _ended(waiting: Iterable[Any]) -> list[Any]:
    """Wait for the first of these futures."""
    futures = list(waiting)
    if not futures:
        return []
    if isinstance(futures[0], Future):
        return list(wait(futures, return_when=FIRST_COMPLETED).done)
    from distributed import wait as wait_there

    return list(wait_there(futures, return_when="FIRST_COMPLETED").done)
