# Programs run on batches. Included by _core.pyx.

from cpython.exc cimport PyErr_CheckSignals

from time import monotonic


cdef class Machine:
    """Runs programs on batches; keeps its buffers from one to the next. Not for two threads at
    once: give each its own."""

    cdef az_machine *machine
    cdef bint busy
    # What it was prepared for, which it points into.
    cdef Batch opened
    cdef Code code
    cdef Native native
    cdef const double[:, ::1] constants
    cdef const int64_t[::1] places

    def __cinit__(self):
        self.machine = az_machine_new()
        if not self.machine:
            raise MemoryError

    def __dealloc__(self):
        az_machine_free(self.machine)

    def bytes_needed(
        self,
        Code code not None,
        *,
        int64_t features,
        int64_t classes,
        int64_t lanes,
        int64_t train,
        int64_t valid,
        int64_t epochs,
        bint keep_dead=False,
        bint remember=False,
        Native native=None,
    ) -> int:
        """Bytes that evaluating `code` on a batch of this shape takes beside the examples, `remember`
        where `cell` is to be asked; -1 where the program sets an entry that a vector of this size
        lacks."""
        cdef az_batch batch
        cdef az_settings settings = az_settings(
            epochs=epochs, max_abs_error=0.0, seed=0, block=0, keep_dead=keep_dead,
            addressable=remember)
        cdef az_work work = az_work(
            program=&code.program, known=NULL, batch=&batch, settings=&settings,
            native=NULL, native_kernels=NULL, constants=NULL, places=NULL)
        if lanes not in LANES or not 1 <= features <= 4096 or train < 1 or valid < 1:
            raise ValueError("expected the shape of a batch")
        if self.busy:
            raise RuntimeError("expected a machine that is idle; give each thread its own")
        memset(&batch, 0, sizeof(batch))
        batch.features, batch.classes, batch.lanes = features, classes, lanes
        batch.train, batch.valid = train, valid
        if native is not None:
            work.native = native.program
        return az_machine_bytes(self.machine, &work)

    def run(
        self,
        Code code not None,
        Batch batch not None,
        double[::1] fitness not None,
        double[::1] value not None,
        double[:, :, ::1] predictions=None,
        *,
        int64_t epochs=1,
        double max_abs_error=100.0,
        uint64_t seed=0,
        int64_t block=0,
        bint keep_dead=False,
        Native native=None,
        const double[:, ::1] constants=None,
        const int64_t[::1] places=None,
        trained=None,
        progress=None,
    ) -> int:
        """Train and validate; returns how many examples were served.

        `trained()` is called before the last epoch's validation, when `cell` has the memory that
        training left, or once every lane has stopped; unless it returns True the run ends there.

        Fills `fitness` (L,) and `value` (L,), and `predictions` (L, m, 1 or classes) if given.
        `native` runs `code` compiled; it needs a batch, `constants` and `places` (k,) laid
        out as `native.h` says. Interpreted, `constants` (n, L), those of the live instructions in
        order but for indices of entries, stand in each lane for the program's own.
        `progress(done)` is called several times a second. The GIL is released in between.
        MemoryError if memory cannot be had; IndexError as `bytes_needed` has -1.
        """
        cdef az_settings settings = az_settings(
            epochs=epochs, max_abs_error=max_abs_error, seed=seed, block=block,
            keep_dead=keep_dead, addressable=trained is not None)
        cdef int64_t lanes = batch.batch.lanes, width, chunk = 1
        cdef int status, finished = 0, given
        cdef az_work work = az_work(
            program=&code.program, known=NULL, batch=&batch.batch, settings=&settings,
            native=NULL, native_kernels=NULL, constants=NULL, places=NULL)
        cdef az_part part = az_part(
            train=batch.batch.train, valid=batch.batch.valid, epochs=epochs, predictions=NULL,
            seen=NULL, train_only=trained is not None)
        if self.busy:
            raise RuntimeError("expected a machine that is idle; give each thread its own")
        if fitness.shape[0] != lanes or value.shape[0] != lanes or epochs < 1:
            raise ValueError("expected fitness and value of one entry per lane, epochs >= 1")
        if predictions is not None:
            width = batch.batch.classes if batch.batch.classes > 2 else 1
            if (
                predictions.shape[0] != lanes or predictions.shape[1] != batch.batch.valid
                or predictions.shape[2] != width
            ):
                raise ValueError("expected predictions of shape (lanes, examples, width)")
            part.predictions = &predictions[0, 0, 0]
            for lane in range(lanes):
                for i in range(predictions.shape[1]):
                    for c in range(width):
                        predictions[lane, i, c] = float("nan")
        if native is not None:
            check_native(native.program, batch, constants, places)
            work.native = native.program
            work.native_kernels = az_level_kernels(chosen_level, native.program.lanes)
        if constants is not None and constants.shape[0]:
            work.constants = &constants[0, 0]
        if places is not None and places.shape[0]:
            work.places = &places[0]
        self.busy = True
        try:
            self.code, self.opened, self.native = code, batch, native
            self.constants, self.places = constants, places
            with nogil:
                status = az_machine_prepare(
                    self.machine, az_level_kernels(chosen_level, lanes), &work)
                given = (
                    status != AZ_READY or native is not None or not work.constants
                    or (constants.shape[0] == az_machine_constants(self.machine)
                        and constants.shape[1] == lanes))
                if status == AZ_READY and given:
                    az_machine_begin(self.machine, &part)
            if not given:
                count = az_machine_constants(self.machine)
                raise ValueError(f"expected {count} constants for each of {lanes} lanes")
            if status == AZ_NO_MEMORY:
                raise MemoryError
            if status == AZ_BAD_INDEX:
                raise IndexError
            while not finished:
                started = monotonic()
                with nogil:
                    finished = az_machine_run(self.machine, chunk)
                chunk = next_count(chunk, monotonic() - started)
                PyErr_CheckSignals()
                if progress is not None:
                    progress(az_machine_done(self.machine))
                if finished and trained is not None:
                    if trained() is True and not self.all_died():
                        az_machine_validate(self.machine)
                        finished = 0
                    trained = None
            for lane in range(lanes):
                fitness[lane] = az_machine_fitness(self.machine)[lane]
                value[lane] = az_machine_value(self.machine)[lane]
            return az_machine_done(self.machine)
        finally:
            self.busy = False

    cdef bint all_died(self):
        for lane in range(self.opened.batch.lanes):
            if self.opened.batch.active >> lane & 1 and not az_machine_died(self.machine, lane):
                return False
        return True

    # ---- a trained machine ----

    @property
    def held(self) -> int:
        """Bytes that it keeps for the next program."""
        return az_machine_held(self.machine)

    def close(self) -> None:
        """Let go of the examples and the program of the last run."""
        if self.busy:
            raise RuntimeError("expected a machine that is idle; give each thread its own")
        self.code = self.opened = self.native = None
        self.constants = self.places = None

    def died(self, int64_t lane) -> bool:
        """Whether the lane's training ended at an error that is NaN or beyond the limit."""
        if self.opened is None or not 0 <= lane < self.opened.batch.lanes:
            raise ValueError("expected a lane of an open machine")
        return az_machine_died(self.machine, lane)

    def trained(self, int64_t lane) -> int:
        """Training examples that the lane was served, the one that ended it included."""
        if self.opened is None or not 0 <= lane < self.opened.batch.lanes:
            raise ValueError("expected a lane of an open machine")
        return az_machine_trained(self.machine, lane)

    def open(
        self,
        Code code not None,
        Batch batch not None,
        uint64_t seed,
        double max_abs_error,
        *,
        Native native=None,
        const double[:, ::1] constants=None,
        const int64_t[::1] places=None,
    ) -> None:
        """Prepare for `learn` and `predict` on the examples of `batch`, with zeroed memory; compiled
        as in `run`."""
        cdef az_settings settings = az_settings(
            epochs=1, max_abs_error=max_abs_error, seed=seed, block=0, keep_dead=False,
            addressable=True)
        cdef az_work work = az_work(
            program=&code.program, known=NULL, batch=&batch.batch, settings=&settings,
            native=NULL, native_kernels=NULL, constants=NULL, places=NULL)
        cdef az_part part = az_part(
            train=batch.batch.train, valid=batch.batch.valid, epochs=1, predictions=NULL,
            seen=NULL, train_only=True)
        if self.busy:
            raise RuntimeError("expected a machine that is idle; give each thread its own")
        self.opened = None
        if native is not None:
            check_native(native.program, batch, constants, places)
            work.native = native.program
            work.native_kernels = az_level_kernels(chosen_level, native.program.lanes)
            if native.program.constants:
                work.constants = &constants[0, 0]
            if native.program.places:
                work.places = &places[0]
        status = az_machine_prepare(
            self.machine, az_level_kernels(chosen_level, batch.batch.lanes), &work)
        if status == AZ_NO_MEMORY:
            raise MemoryError
        if status == AZ_BAD_INDEX:
            raise IndexError
        az_machine_begin(self.machine, &part)
        self.code, self.opened, self.native = code, batch, native
        self.constants, self.places = constants, places

    def cell(
        self,
        int type,
        int32_t number,
        int64_t lane,
        double[::1] values not None,
        *,
        bint write=False,
        offset=None,
    ) -> bool:
        """Copies one lane's memory of an address (type 1 to 3) to `values`, or from there; False
        where the program has no such address. A compiled program has it at `offset`
        (`azc/compiler/layout.py`), or nowhere."""
        cdef double *at = NULL
        cdef int64_t count = 1, stride, start
        if self.opened is None or not 1 <= type <= 3 or not 0 <= lane < self.opened.batch.lanes:
            raise ValueError("expected an open machine, a type, and a lane")
        for _ in range(type - 1):
            count *= self.opened.batch.features
        if values.shape[0] != count:
            raise ValueError(f"expected {count} values")
        if self.native is None:
            at = az_machine_cell(self.machine, type, number, lane)
            stride = self.opened.batch.lanes
        elif offset is not None:
            start, stride = offset, self.native.program.lanes
            if start < 0 or start + count * stride > self.native.program.memory:
                raise ValueError("expected an offset in the program's memory")
            at = az_machine_cell_at(self.machine, start, lane)
        if at == NULL:
            return False
        for i in range(count):
            if write:
                at[i * stride] = values[i]
            else:
                values[i] = at[i * stride]
        return True

    def predict(self, uint64_t step, double[:, :, ::1] to not None) -> None:
        """Raw predictions (n, 1 or classes, L) of the validation examples of the open batch, the
        first of which is step number `step`."""
        cdef az_batch *batch
        if self.opened is None or self.busy:
            raise ValueError("expected an open machine that is idle")
        batch = &self.opened.batch
        if (
            to.shape[0] != batch.valid or to.shape[2] != batch.lanes
            or to.shape[1] != (batch.classes if batch.classes > 2 else 1)
        ):
            raise ValueError("expected room for all predictions")
        cdef int64_t row = batch.features * batch.lanes, width = to.shape[1] * batch.lanes
        cdef int64_t done = 0, count = 1
        cdef double *out = &to[0, 0, 0]
        self.busy = True
        try:
            while done < batch.valid:
                count = min(count, batch.valid - done)
                started = monotonic()
                with nogil:
                    az_machine_predict(
                        self.machine, batch.x_valid + done * row, count, step + <uint64_t>done,
                        out + done * width)
                done += count
                count = next_count(count, monotonic() - started)
                PyErr_CheckSignals()
        finally:
            self.busy = False

    def learn(self, uint64_t step) -> int:
        """Trains on the training examples of the open batch; returns how many the first lane was
        served, the one at which it stopped included."""
        cdef az_batch *batch
        cdef int64_t done = 0, count = 1
        cdef int alive = 1
        if self.opened is None or self.busy:
            raise ValueError("expected an open machine that is idle")
        batch = &self.opened.batch
        self.busy = True
        try:
            while alive and done < batch.train:
                count = min(count, batch.train - done)
                started = monotonic()
                with nogil:
                    alive = az_machine_learn(self.machine, done, done + count, step)
                done += count
                count = next_count(count, monotonic() - started)
                PyErr_CheckSignals()
            return az_machine_trained(self.machine, 0)
        finally:
            self.busy = False


cdef int64_t next_count(int64_t count, double took):
    """How many examples to serve until signals are looked at, and progress told, about 20 times a
    second: `count` took so many seconds."""
    if took < 0.025:
        return min(2 * count, 1 << 40)
    return max(count // 2, 1) if took > 0.1 else count
