# Islands of a search. Included by _core.pyx, after _space.pxi.

from azc.runtime.tables import COUNTED as _COUNTED

from xxhash import xxh3_64

from cpython.bytes cimport PyBytes_AS_STRING

cdef extern from "heat.h" nogil:
    int AZ_HEAT_SETS, AZ_HEAT_WAYS
    ctypedef struct az_structure:
        uint64_t key
        int64_t steps, runs
        const az_native **native
        az_candidate program
    ctypedef struct az_heat:
        az_structure *structure
    void az_heat_cool(az_heat *)

cdef extern from "trial.h" nogil:
    int AZ_STAGES
    ctypedef struct az_lanes:
        const az_batch *batch
        const az_kernel_set *kernels
        int64_t chunk
        int32_t task[16]
    ctypedef struct az_layout:
        az_lanes *lanes
        int count
    ctypedef struct az_trial:
        int64_t classes, tasks
        int32_t hot
        int timed
        az_layout interpreted, compiled
        const az_kernel_set *chunk_kernels
        az_heat heat
        int64_t steps_run, steps_native
        int64_t stage[8]

cdef extern from "lineage.h" nogil:
    ctypedef struct az_ancestor:
        int64_t birth
        double fitness
        int32_t before, mutation
        int32_t count[3]
    ctypedef struct az_lineage:
        az_ancestor *ancestor
        az_instruction *code
        int32_t capacity

cdef extern from "island.h" nogil:
    int AZ_STOPPED_AT_FAILURE
    ctypedef struct az_member:
        az_candidate program
        double fitness
        int64_t birth
        int32_t ancestor
    ctypedef struct az_method:
        int32_t method, population, tournament, children, elites
        az_candidate *start
        int32_t starts
    ctypedef struct az_method_info:
        const char *name
        int32_t least, most
        int families, staged
    const az_method_info az_methods[1]
    const int az_method_count
    ctypedef struct az_island:
        az_method method
        az_space space
        az_trial trial
        az_lineage lineage
        az_member *member
        double *beside
        int32_t width
        int32_t members
        az_member best
        int64_t count[1]
        uint64_t identity
    size_t az_island_bytes(const az_island *)
    int az_island_finish(az_island *)
    void az_island_free(az_island *)
    double *az_beside(const az_island *, const az_member *)
    void az_island_restart(az_island *)
    size_t az_island_save(const az_island *, uint8_t *)
    int az_island_load(az_island *, const uint8_t *, size_t)

cdef extern from "environment.h" nogil:
    int az_island_run "az_enter_island_run"(az_island *, int64_t, int64_t)
    void az_island_receive "az_enter_island_receive"(
        az_island *, int32_t, const az_candidate *, double, int64_t)
    double az_island_evaluate "az_enter_island_evaluate"(az_island *, const az_candidate *)


cdef extern from "settings.h" nogil:
    ctypedef enum az_kind:
        AZ_int32_t, AZ_int64_t, AZ_uint64_t, AZ_double
    ctypedef struct az_setting:
        const char *name
        az_kind kind
        size_t offset
        int count, course
    const az_setting az_setting_table[1]
    const int az_setting_count
    void *az_setting_of(const az_island *, const az_setting *)


cdef struct Migrant:
    # A program that islands exchange, without its instructions (azc/search/migrants.py).
    double fitness
    int64_t birth
    int32_t count[3]


cdef bint unpack_fitting(
    const az_space *space, const Migrant *head, const uint8_t *code, az_candidate *to) noexcept:
    """Copies a program of instructions that lie one after the other; whether it is one that
    programs of the space can be, by sizes, ops and addresses."""
    cdef az_instruction *body
    for f in range(3):
        if not space.least[f] <= head.count[f] <= space.most[f]:
            return False
    for f in range(3):
        to.count[f] = head.count[f]
        body = to.code + space.start[f]
        for i in range(head.count[f]):
            memcpy(&body[i], code, sizeof(az_instruction))
            code += sizeof(az_instruction)
            if not (
                0 <= body[i].op < AZ_OP_COUNT
                and has_addresses(&body[i])
                and fits(space, &body[i])
            ):
                return False
    return True


cdef int64_t length_of(const Migrant *head) noexcept:
    return <int64_t>head.count[0] + head.count[1] + head.count[2]


cdef int lay_out(az_layout *layout, list blocks, int64_t tasks) except -1:
    """`blocks`: (batch, lanes of a chunk, numbers of the tasks in its lanes)."""
    cdef Batch batch
    layout.lanes = <az_lanes *>malloc(len(blocks) * sizeof(az_lanes) + 1)
    if not layout.lanes:
        raise MemoryError
    memset(layout.lanes, 0, len(blocks) * sizeof(az_lanes))
    for i, (batch, chunk, numbers) in enumerate(blocks):
        layout.count = i + 1
        layout.lanes[i].batch = &batch.batch
        layout.lanes[i].kernels = az_level_kernels(chosen_level, batch.batch.lanes)
        layout.lanes[i].chunk = chunk
        for lane, number in enumerate(numbers):
            if not 0 <= number < tasks:
                raise ValueError("expected the number of a task")
            layout.lanes[i].task[lane] = number
    return 0


cdef int take_settings(az_island *island, dict settings) except -1:
    """Sets the fields of `az_method` and `az_trial` by name (`tables.py`)."""
    cdef const az_setting *setting
    cdef void *to
    names = {az_setting_table[i].name.decode() for i in range(az_setting_count)}
    if settings.keys() != names:
        raise ValueError(f"expected other settings: {sorted(settings.keys() ^ names)}")
    for i in range(az_setting_count):
        setting = &az_setting_table[i]
        given = settings[setting.name.decode()]
        values = given if setting.count > 1 else (given,)
        if len(values) != setting.count:
            raise ValueError(f"expected {setting.count} values")
        to = az_setting_of(island, setting)
        for k in range(setting.count):
            if setting.kind == AZ_int32_t:
                (<int32_t *>to)[k] = values[k]
            elif setting.kind == AZ_int64_t:
                (<int64_t *>to)[k] = values[k]
            elif setting.kind == AZ_uint64_t:
                (<uint64_t *>to)[k] = values[k]
            else:
                (<double *>to)[k] = values[k]
    check_method(&island.method)
    return 0


cdef int check_method(const az_method *method) except -1:
    cdef const az_method_info *info
    if not 0 <= method.method < az_method_count:
        raise ValueError("expected the number of a method")
    info = &az_methods[method.method]
    if not info.least <= method.population <= info.most:
        raise ValueError("expected a population that the method can have")
    if method.elites < 1:
        raise ValueError("expected elites")
    if method.tournament < 1 or method.children < info.families:
        raise ValueError("expected a tournament and, where there are families, children")
    return 0


def island_bytes(Space space not None, dict settings not None) -> int:
    """Bytes that an island of such settings takes before it begins (`island.h`)."""
    cdef az_island island
    memset(&island, 0, sizeof(island))
    island.space = space.space
    take_settings(&island, settings)
    return az_island_bytes(&island)


cdef class Island:
    """A population and the search that makes it better; see `island.h`.

    `interpreted` and `compiled`: lists of (`Batch`, lanes of a chunk, task numbers) in the layouts
    of the interpreter and of compiled code. `settings`: the fields of `az_method` and `az_trial`
    by name (`tables.py`); `seeds`: packed programs to start from. Not for two threads at once.
    """

    cdef az_island island
    cdef Space space
    cdef object kept
    cdef dict natives
    cdef bytearray seed_code
    cdef bint busy

    def __cinit__(
        self,
        Space space not None,
        dict settings not None,
        list interpreted not None,
        list compiled not None,
        list seeds not None,
    ):
        cdef az_trial *trial = &self.island.trial
        self.space = space
        self.kept = (interpreted, compiled)
        self.natives = {}
        self.island.space = space.space
        take_settings(&self.island, settings)
        trial.hot = trial.hot and bool(compiled)
        lay_out(&trial.interpreted, interpreted, trial.tasks)
        lay_out(&trial.compiled, compiled, trial.tasks)
        if compiled:
            trial.chunk_kernels = az_level_kernels(chosen_level, compiled[0][1])
        self._take_seeds(seeds)
        self.island.identity = self._identity(settings, interpreted, seeds)
        if not az_island_finish(&self.island):
            raise MemoryError

    cdef int _take_seeds(self, list seeds) except -1:
        cdef int64_t capacity = self.space.space.capacity
        cdef az_method *method = &self.island.method
        self.seed_code = bytearray(len(seeds) * capacity * sizeof(az_instruction) + 1)
        method.start = <az_candidate *>malloc(len(seeds) * sizeof(az_candidate) + 1)
        if not method.start:
            raise MemoryError
        method.starts = len(seeds)
        for i, packed in enumerate(seeds):
            method.start[i].code = (
                <az_instruction *><char *>self.seed_code + <int64_t>i * capacity)
            unpack_candidate(&self.space.space, packed, &method.start[i])
        return 0

    cdef uint64_t _identity(self, dict settings, list interpreted, list seeds) except? 0:
        """Of settings, space, tasks and seeds: snapshots of other searches are not taken."""
        cdef Batch batch
        digest = xxh3_64()
        for i in range(az_setting_count):
            if az_setting_table[i].course:
                name = az_setting_table[i].name.decode()
                digest.update(repr((name, settings[name])).encode())
        digest.update(
            PyBytes_FromStringAndSize(<const char *>&self.space.space, sizeof(az_space)))
        digest.update(repr(seeds).encode())
        for batch, chunk, numbers in interpreted:
            digest.update(repr((chunk, numbers, batch.batch.active)).encode())
            digest.update(
                PyBytes_FromStringAndSize(<const char *>batch.lane_keys, sizeof(batch.lane_keys)))
            digest.update(batch.x_train)
            digest.update(batch.y_train)
            digest.update(batch.x_valid)
            digest.update(batch.y_valid)
        return digest.intdigest()

    def __dealloc__(self):
        cdef az_trial *trial = &self.island.trial
        if trial.heat.structure:
            for i in range(AZ_HEAT_SETS * AZ_HEAT_WAYS):
                free(trial.heat.structure[i].native)
        az_island_free(&self.island)

    def run(self, int64_t until, double seconds) -> int:
        """Draws and decides candidates until `until` were born, or about that many seconds are
        over; returns why it stopped (`island.h`). The GIL is released meanwhile."""
        cdef int reason
        cdef int64_t nanoseconds = <int64_t>(min(seconds, 1e9) * 1e9)
        if self.busy:
            raise RuntimeError("expected an island that is idle")
        self.busy = True
        try:
            with nogil:
                reason = az_island_run(&self.island, until, nanoseconds)
        finally:
            self.busy = False
        if reason == AZ_STOPPED_AT_FAILURE:
            raise MemoryError
        return reason

    def evaluate(self, list programs not None, double[:, ::1] per_task=None) -> list:
        """The fitness of each of the packed programs, decided as candidates are; with the setting
        `per_task` that on each task is written, a row for each program. The GIL is released
        meanwhile."""
        cdef int64_t capacity = self.space.space.capacity, count = len(programs), i
        cdef bytearray room = bytearray(count * capacity * sizeof(az_instruction) + 1)
        cdef bytearray made = bytearray(count * sizeof(az_candidate) + 1)
        cdef bytearray values = bytearray(count * sizeof(double) + 1)
        cdef az_candidate *candidate = <az_candidate *><char *>made
        cdef double *fitness = <double *><char *>values
        cdef int32_t width = self.island.width if per_task is not None else 0
        cdef az_member *last = &self.island.member[self.island.method.population]
        if per_task is not None and (
            not width or per_task.shape[0] != count or per_task.shape[1] != width
        ):
            raise ValueError("expected the setting per_task, and a row for each program")
        if self.busy:
            raise RuntimeError("expected an island that is idle")
        for i in range(count):
            candidate[i].code = <az_instruction *><char *>room + i * capacity
            unpack_candidate(&self.space.space, programs[i], &candidate[i])
        self.busy = True
        try:
            with nogil:
                for i in range(count):
                    fitness[i] = az_island_evaluate(&self.island, &candidate[i])
                    if fitness[i] < 0.0:
                        break
                    if width:
                        memcpy(
                            &per_task[i, 0], az_beside(&self.island, last), width * sizeof(double))
        finally:
            self.busy = False
        if count and min(fitness[i] for i in range(count)) < 0.0:
            raise MemoryError
        return [fitness[i] for i in range(count)]

    def restart(self) -> None:
        """Begins a new population."""
        az_island_restart(&self.island)

    def counts(self) -> dict:
        """What was done since the search began; `mean` is over the population."""
        cdef az_island *s = &self.island
        total = 0.0
        for i in range(s.members):
            total += s.member[i].fitness
        counted = {name: s.count[i] for i, name in enumerate(_COUNTED)}
        return counted | {
            "best": s.best.fitness if s.best.fitness >= 0.0 else float("nan"),
            "mean": total / s.members if s.members else float("nan"),
        }

    def steps_run(self) -> tuple:
        """Training steps that were executed by this process, and those of them natively."""
        return self.island.trial.steps_run, self.island.trial.steps_native

    @property
    def members(self) -> int:
        return self.island.members

    def member(self, int32_t position) -> tuple:
        """(packed program, fitness, birth) of a member of the population."""
        cdef az_member *m
        if not 0 <= position < self.island.members:
            raise IndexError(position)
        m = &self.island.member[position]
        return pack_candidate(&self.space.space, &m.program), m.fitness, m.birth

    def per_task(self, int32_t position) -> list:
        """The fitness of that member on each task, with the setting of this name; nan where the
        member came from another island."""
        if not 0 <= position < self.island.members:
            raise IndexError(position)
        row = az_beside(&self.island, &self.island.member[position])
        return [row[k] for k in range(self.island.width)]

    def best(self):
        """The same of the best program of this population so far; None where there is none."""
        cdef az_member *m = &self.island.best
        if m.fitness < 0.0:
            return None
        return pack_candidate(&self.space.space, &m.program), m.fitness, m.birth

    def ancestors(self) -> list:
        """Of the best, first to last: (birth, number of its mutation, fitness, packed program)."""
        cdef az_lineage *lineage = &self.island.lineage
        cdef az_ancestor *a
        cdef az_candidate program
        cdef int32_t at = self.island.best.ancestor
        ancestors = []
        while at >= 0:
            a = &lineage.ancestor[at]
            program.code = lineage.code + <int64_t>at * lineage.capacity
            for f in range(3):
                program.count[f] = a.count[f]
            if a.fitness >= 0.0: # else it was stopped at the hurdle
                ancestors.append(
                    (a.birth, a.mutation, a.fitness, pack_candidate(&self.space.space, &program)))
            at = a.before
        return ancestors[::-1]

    def emigrants(self, const int64_t[::1] positions not None) -> tuple:
        """Members at positions, modulo how many there are (none where there are none), as bytes:
        their heads (`Migrant`), and their instructions one after the other."""
        cdef const az_space *space = &self.space.space
        cdef int64_t count = positions.shape[0] if self.island.members else 0
        cdef int64_t instructions = 0
        cdef bytes heads = PyBytes_FromStringAndSize(NULL, count * sizeof(Migrant))
        cdef bytes code
        cdef Migrant *head = <Migrant *>PyBytes_AS_STRING(heads)
        cdef az_instruction *to
        cdef az_member *m
        memset(head, 0, count * sizeof(Migrant))
        for i in range(count):
            m = self._member(positions[i])
            head[i].fitness = m.fitness
            head[i].birth = m.birth
            for f in range(3):
                head[i].count[f] = m.program.count[f]
                instructions += m.program.count[f]
        code = PyBytes_FromStringAndSize(NULL, instructions * sizeof(az_instruction))
        to = <az_instruction *>PyBytes_AS_STRING(code)
        for i in range(count):
            m = self._member(positions[i])
            for f in range(3):
                memcpy(
                    to, m.program.code + space.start[f],
                    m.program.count[f] * sizeof(az_instruction))
                to += m.program.count[f]
        return heads, code

    cdef az_member *_member(self, int64_t position) noexcept:
        return &self.island.member[position % self.island.members]

    def receive(
        self,
        const int64_t[::1] positions not None,
        const uint8_t[::1] heads not None,
        const uint8_t[::1] code not None,
    ) -> None:
        """Programs from elsewhere, as `emigrants` gives them, replace members at `positions`, one
        after the other; fitness nan: it is decided here. Passes over those that are beyond the
        population, and programs of sizes or addresses that programs do not have here. ValueError
        if heads, code and positions are not of as many programs."""
        cdef const az_space *space = &self.space.space
        cdef bytearray room = bytearray(space.capacity * sizeof(az_instruction) + 1)
        cdef const uint8_t *at = &code[0] if code.shape[0] else <const uint8_t *><char *>room
        cdef int64_t instructions = 0
        cdef az_candidate program
        cdef Migrant head
        if heads.shape[0] != positions.shape[0] * <int64_t>sizeof(Migrant):
            raise ValueError("expected a head for each position")
        for i in range(positions.shape[0]):
            memcpy(&head, &heads[i * sizeof(Migrant)], sizeof(Migrant))
            if min(head.count[0], head.count[1], head.count[2]) < 0:
                raise ValueError("expected sizes of functions")
            instructions += length_of(&head)
        if code.shape[0] != instructions * <int64_t>sizeof(az_instruction):
            raise ValueError("expected the code of all programs and no other")
        program.code = <az_instruction *><char *>room
        for i in range(positions.shape[0]):
            memcpy(&head, &heads[i * sizeof(Migrant)], sizeof(Migrant))
            if 0 <= positions[i] < self.island.members and unpack_fitting(
                space, &head, at, &program
            ):
                az_island_receive(
                    &self.island, <int32_t>positions[i], &program, head.fitness, head.birth)
            at += length_of(&head) * sizeof(az_instruction)

    def save(self) -> bytes:
        """A snapshot: everything that the course of the search depends on."""
        cdef size_t length = az_island_save(&self.island, NULL)
        cdef bytes result = PyBytes_FromStringAndSize(NULL, length)
        az_island_save(&self.island, <uint8_t *>PyBytes_AS_STRING(result))
        return result

    def load(self, bytes snapshot not None) -> None:
        """Goes on from a snapshot; ValueError if it is none of an island with these settings,
        which then is of no more use."""
        if not az_island_load(
            &self.island, <const uint8_t *>PyBytes_AS_STRING(snapshot), len(snapshot)
        ):
            raise ValueError("expected a snapshot of an island with the same settings")

    # ---- hot structures ----

    def hottest(self, int count) -> list:
        """The structures with most training steps of late, without those that have a compiled
        function: (key, steps, evaluations, packed program), hottest first."""
        cdef az_structure *s
        cdef az_space packed
        structures = []
        if not self.island.trial.hot:
            return structures
        for i in range(AZ_HEAT_SETS * AZ_HEAT_WAYS):
            s = &self.island.trial.heat.structure[i]
            if s.key and not s.native and s.steps > 0:
                structures.append((s.steps, s.key, i))
        structures.sort(reverse=True)
        result = []
        for steps, key, i in structures[:count]:
            s = &self.island.trial.heat.structure[<int>i]
            packed.start[0] = 0
            packed.start[1] = s.program.count[0]
            packed.start[2] = s.program.count[0] + s.program.count[1]
            result.append((key, steps, s.runs, pack_candidate(&packed, &s.program)))
        return result

    def use_native(self, uint64_t key, list natives not None) -> bool:
        """From now on the structure runs by these functions (`Native`), one per compiled block;
        False if it is no longer among those that are counted."""
        cdef az_structure *s
        cdef Native native
        cdef Batch batch
        cdef az_layout *layout = &self.island.trial.compiled
        if self.busy:
            raise RuntimeError("expected an island that is idle")
        if len(natives) != layout.count:
            raise ValueError(f"expected {layout.count} functions")
        for block, native in enumerate(natives):
            if (
                native.program.features != layout.lanes[<int>block].batch.features
                or native.program.lanes != layout.lanes[<int>block].chunk
                or native.program.many_classes != (self.island.trial.classes > 2)
            ):
                raise ValueError("expected functions for the layout of the blocks")
        for i in range(AZ_HEAT_SETS * AZ_HEAT_WAYS):
            s = &self.island.trial.heat.structure[i]
            if s.key == key and not s.native:
                s.native = <const az_native **>malloc(layout.count * sizeof(az_native *))
                if not s.native:
                    raise MemoryError
                for block, native in enumerate(natives):
                    s.native[<int>block] = native.program
                self.natives[key] = natives
                return True
        return False

    def cool(self) -> None:
        """Halves what is counted of structures."""
        if self.island.trial.hot:
            az_heat_cool(&self.island.trial.heat)

    # ---- measuring ----

    def time_stages(self) -> None:
        """Measure where the time goes from now on."""
        self.island.trial.timed = 1

    def stages(self) -> dict:
        """CPU seconds of each stage since `time_stages`."""
        names = ("draw", "analyse", "look up", "prepare", "fingerprint", "evaluate", "confirm",
                 "replace")
        return {name: self.island.trial.stage[i] / 1e9 for i, name in enumerate(names)}
