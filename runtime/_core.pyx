# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The runtime's door to Python: analysis of packed programs, and evaluation without the GIL.

Programs come as three bytes objects (`azc.program.Program.packed`); examples as arrays in the
lane layout drawn in `kernels.h`.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, labs, malloc
from libc.string cimport memset

cdef extern from "program.h" nogil:
    ctypedef struct az_instruction:
        int32_t op, out, a, b
        double constant[3]
    ctypedef struct az_program:
        const az_instruction *body[3]
        int64_t count[3]
    ctypedef struct az_op_info:
        uint8_t result, first, second, constants, entry
    ctypedef struct az_address_map:
        int32_t offset[4]
        int32_t count
    ctypedef struct az_facts:
        int learns, stateless, stateless_training, random
    az_address_map az_map_addresses(const az_program *)
    az_facts az_find_live(
        const az_program *, const az_address_map *, int64_t, uint8_t *, uint8_t *)
    void az_find_needed(
        const az_program *, const az_address_map *, int64_t, uint8_t *, uint8_t **)
    int64_t az_suggested_classes(const az_program *)
    const az_op_info az_ops[65]
    int AZ_OP_COUNT, AZ_TABLE_VERSION, AZ_MOMENTS

cdef extern from "azmath.h" nogil:
    double az_exp(double)
    double az_log(double)
    double az_sin(double)
    double az_cos(double)
    double az_tan(double)
    double az_asin(double)
    double az_acos(double)
    double az_atan(double)

cdef extern from "levels.h" nogil:
    ctypedef struct az_kernel_set:
        int lanes
    int az_level_count()
    const char *az_level_name(int)
    int az_level_runs(int)
    const az_kernel_set *az_level_kernels(int, int64_t)

cdef extern from "plan.h" nogil:
    ctypedef struct az_draft:
        int32_t kernel
    ctypedef struct az_shape:
        int64_t features, classes, lanes
        int keep_dead
        int addressable
    ctypedef struct az_plan:
        az_draft *draft
        int64_t first[4]
    ctypedef struct az_known:
        pass
    int az_plan_make(az_plan *, const az_program *, const az_shape *, const az_known *)
    void az_plan_free(az_plan *)
    int64_t az_entry_place(const az_instruction *, int64_t)
    int az_index_count(const az_op_info *)

cdef extern from "native.h" nogil:
    ctypedef struct az_native:
        int64_t features, lanes, memory, constants, places, many_classes
    ctypedef struct az_module:
        int64_t version, count
        const az_native *program
    int AZ_NATIVE_VERSION

cdef extern from "pack.h" nogil:
    void az_pack(double *, const double *const *, int64_t, int64_t, int64_t, int64_t)

cdef extern from "interpreter.h" nogil:
    ctypedef struct az_batch:
        int64_t features, classes, lanes, train, valid
        const double *x_train
        const double *y_train
        const double *x_valid
        const double *y_valid
        const uint64_t *keys
        uint32_t active
    ctypedef struct az_settings:
        int64_t epochs
        double max_abs_error
        uint64_t seed
        int64_t block
        int keep_dead
        int addressable
    ctypedef struct az_work:
        const az_program *program
        const az_known *known
        const az_batch *batch
        const az_settings *settings
        const az_native *native
        const az_kernel_set *native_kernels
        const double *constants
        const int64_t *places
    ctypedef struct az_part:
        int64_t train, valid, epochs
        double *predictions
        double *seen
        int train_only
    ctypedef struct az_machine:
        pass
    int AZ_READY, AZ_NO_MEMORY, AZ_BAD_INDEX
    az_machine *az_machine_new()
    void az_machine_free(az_machine *)
    int64_t az_machine_bytes(az_machine *, const az_work *)
    int64_t az_machine_constants(const az_machine *)
    int64_t az_machine_done(const az_machine *)
    int az_machine_died(const az_machine *, int64_t)
    int64_t az_machine_trained(const az_machine *, int64_t)
    double *az_machine_cell(az_machine *, int, int32_t, int64_t)
    double *az_machine_cell_at(az_machine *, int64_t, int64_t)
    size_t az_machine_held(const az_machine *)
    void az_machine_validate(az_machine *)
    const double *az_machine_fitness(const az_machine *)
    const double *az_machine_value(const az_machine *)

# What computes, in the floating-point environment that results are defined in.
cdef extern from "environment.h" nogil:
    ctypedef struct az_environment:
        pass
    az_environment az_enter()
    void az_leave(az_environment)
    int az_machine_prepare "az_enter_machine_prepare"(
        az_machine *, const az_kernel_set *, const az_work *)
    void az_machine_begin "az_enter_machine_begin"(az_machine *, const az_part *)
    int az_machine_run "az_enter_machine_run"(az_machine *, int64_t)
    void az_machine_predict "az_enter_machine_predict"(
        az_machine *, const double *, int64_t, uint64_t, double *)
    int az_machine_learn "az_enter_machine_learn"(az_machine *, int64_t, int64_t, uint64_t)


ctypedef double (*az_function)(double) noexcept nogil

cdef az_function function_of(str name) except? NULL:
    if name == "exp":
        return az_exp
    if name == "log":
        return az_log
    if name == "sin":
        return az_sin
    if name == "cos":
        return az_cos
    if name == "tan":
        return az_tan
    if name == "arcsin":
        return az_asin
    if name == "arccos":
        return az_acos
    if name == "arctan":
        return az_atan
    raise ValueError(f"expected a function of azmath.h by its NumPy name, got {name!r}")


def apply(str name not None, double[::1] values not None) -> None:
    """Replace each value by the runtime's own function of it, such as ``"exp"``."""
    cdef az_function function = function_of(name)
    cdef az_environment before = az_enter()
    for i in range(values.shape[0]):
        values[i] = function(values[i])
    az_leave(before)


cdef class Environment:
    """A with statement's body computes in the runtime's floating-point environment, whatever the
    caller's is (`environment.h`); for what is computed in Python."""

    cdef az_environment before

    def __enter__(self):
        self.before = az_enter()

    def __exit__(self, *_):
        az_leave(self.before)


OP_COUNT = AZ_OP_COUNT
TABLE_VERSION = AZ_TABLE_VERSION
NATIVE_VERSION = AZ_NATIVE_VERSION
LANES = (1, 2, 4, 8, 16)


def levels() -> list[str]:
    """Names of the instruction-set levels that this build has and this machine runs, best last."""
    return [
        az_level_name(level).decode() for level in range(az_level_count()) if az_level_runs(level)
    ]


cdef int best_level():
    cdef int level = az_level_count() - 1
    while not az_level_runs(level):
        level -= 1
    return level


cdef int chosen_level = best_level()


def level() -> str:
    """The level in use: the best that this machine runs, unless `use_level` chose another."""
    return az_level_name(chosen_level).decode()


def use_level(name: str) -> None:
    """Use the kernels of another level; every level gives the same bits. ValueError if this
    machine or build lacks it."""
    global chosen_level
    for candidate in range(az_level_count()):
        if az_level_name(candidate).decode() == name and az_level_runs(candidate):
            chosen_level = candidate
            return
    raise ValueError(f"expected a level of {levels()}, got {name!r}")


cdef class Code:
    """A packed program, checked for shape (`packed`: Setup, Predict, Learn as bytes)."""

    cdef az_program program
    cdef tuple packed

    def __cinit__(self, tuple packed not None):
        cdef bytes body
        cdef const az_instruction *instruction
        if len(packed) != 3:
            raise ValueError("expected three functions")
        self.packed = packed
        for function in range(3):
            body = packed[function]
            if len(body) % sizeof(az_instruction):
                raise ValueError("expected whole instructions")
            self.program.body[function] = <const az_instruction *><const char *>body
            self.program.count[function] = len(body) // sizeof(az_instruction)
            for i in range(self.program.count[function]):
                instruction = &self.program.body[function][i]
                if not 0 <= instruction.op < AZ_OP_COUNT:
                    raise ValueError("expected an op of the table")
                if not has_addresses(instruction):
                    raise ValueError("expected addresses below 65536")


cdef bint has_addresses(const az_instruction *instruction) noexcept:
    return (
        0 <= instruction.out < 65536
        and 0 <= instruction.a < 65536
        and 0 <= instruction.b < 65536
    )


def analyse(Code code not None, int64_t classes):
    """(live, learns, stateless, random): three lists of bools for the live instructions of Setup,
    Predict and Learn, and what `az_facts` in `program.h` says."""
    cdef az_address_map addresses = az_map_addresses(&code.program)
    cdef int64_t count = sum(code.program.count[f] for f in range(3))
    cdef uint8_t *live = <uint8_t *>malloc(count + 2 * addresses.count + 1)
    cdef az_facts facts
    if not live:
        raise MemoryError
    try:
        with nogil:
            facts = az_find_live(&code.program, &addresses, classes, live, live + count)
        masks, start = [], 0
        for f in range(3):
            masks.append([bool(live[start + i]) for i in range(code.program.count[f])])
            start += code.program.count[f]
        return tuple(masks), bool(facts.learns), bool(facts.stateless), bool(facts.random)
    finally:
        free(live)


def suggested_classes(Code code not None) -> int:
    """0, or 3 where the program is written for more than two classes (`program.h`)."""
    return az_suggested_classes(&code.program)


def needed(Code code not None, int64_t classes):
    """(between, after_predict, before_setup): the addresses, as (type, number), whose values live
    instructions need at these moments (`az_find_needed` in `program.h`)."""
    cdef az_address_map addresses = az_map_addresses(&code.program)
    cdef int64_t count = sum(code.program.count[f] for f in range(3))
    cdef uint8_t *live = <uint8_t *>malloc(count + AZ_MOMENTS * addresses.count + 1)
    cdef uint8_t *sets[3]
    cdef int type = 0, moment
    if not live:
        raise MemoryError
    try:
        for moment in range(AZ_MOMENTS):
            sets[moment] = live + count + moment * addresses.count
        with nogil:
            az_find_needed(&code.program, &addresses, classes, live, sets)
        sets_of = ([], [], [])
        for address in range(addresses.count):
            while type < 3 and address >= addresses.offset[type + 1]:
                type += 1
            for moment in range(AZ_MOMENTS):
                if sets[moment][address]:
                    sets_of[moment].append((type, address - addresses.offset[type]))
        return sets_of
    finally:
        free(live)


def kernels_used(Code code not None, int64_t classes):
    """Numbers of the kernels that a program's steps take, in order; see `generate.fused`."""
    cdef az_plan plan
    cdef az_shape shape = az_shape(
        features=16, classes=classes, lanes=1, keep_dead=0, addressable=0)
    memset(&plan, 0, sizeof(plan))
    try:
        if az_plan_make(&plan, &code.program, &shape, NULL) != AZ_READY:
            raise ValueError("expected a program that fits 16 features")
        return [plan.draft[step].kernel for step in range(plan.first[3])]
    finally:
        az_plan_free(&plan)


def pack(list arrays not None, int64_t chunk, double[::1] to not None) -> None:
    """Fill `to` with the arrays (n, entries), one per lane, side by side: [example][lanes / chunk]
    [entry][chunk]. The GIL is released meanwhile."""
    cdef const double *lane[16]
    cdef const double[:, ::1] array
    cdef int64_t lanes = len(arrays), examples = 0, entries = 0
    if chunk not in LANES or not 1 <= lanes <= 16 or lanes % chunk:
        raise ValueError("expected chunks of 1, 2, 4, 8 or 16 lanes, at most 16 in all")
    for l in range(lanes):
        array = arrays[l]
        if l == 0:
            examples, entries = array.shape[0], array.shape[1]
        if array.shape[0] != examples or array.shape[1] != entries:
            raise ValueError("expected arrays of one shape")
        lane[l] = &array[0, 0] if examples * entries else NULL
    if to.shape[0] != lanes * examples * entries:
        raise ValueError("expected room for all arrays")
    if examples * entries:
        with nogil:
            az_pack(&to[0], lane, examples, entries, lanes, chunk)


cdef class Batch:
    """A block of lanes: 1, 2, 4, 8 or 16 tasks of one shape, side by side.

    `x_train` (n, F, L), `y_train` (n, L), `x_valid` (m, F, L), `y_valid` (m, L): float64,
    C-contiguous, kept by reference. `keys`: one number per lane, for random draws. `active`: how
    many lanes hold tasks; the others must repeat one of them. `classes`: 0 for regression.
    """

    cdef az_batch batch
    cdef uint64_t lane_keys[16]
    cdef const double[:, :, ::1] x_train, x_valid
    cdef const double[:, ::1] y_train, y_valid

    def __cinit__(
        self,
        const double[:, :, ::1] x_train,
        const double[:, ::1] y_train,
        const double[:, :, ::1] x_valid,
        const double[:, ::1] y_valid,
        keys,
        int active,
        int64_t classes,
    ):
        cdef int64_t lanes = x_train.shape[2]
        if lanes not in LANES or len(keys) != lanes or not 1 <= active <= lanes:
            raise ValueError("expected 1, 2, 4, 8 or 16 lanes, a key for each")
        if (
            y_train.shape[0] != x_train.shape[0] or y_train.shape[1] != lanes
            or x_valid.shape[1] != x_train.shape[1] or x_valid.shape[2] != lanes
            or y_valid.shape[0] != x_valid.shape[0] or y_valid.shape[1] != lanes
        ):
            raise ValueError("expected arrays of matching shapes")
        if not 1 <= x_train.shape[1] <= 4096 or not x_train.shape[0] or not x_valid.shape[0]:
            raise ValueError("expected 1 to 4096 features and at least one example of each part")
        if classes > 2:
            check_classes(y_train, classes, x_train.shape[1])
            check_classes(y_valid, classes, x_train.shape[1])
        self.x_train, self.y_train, self.x_valid, self.y_valid = x_train, y_train, x_valid, y_valid
        for lane in range(lanes):
            self.lane_keys[lane] = keys[lane]
        self.batch.features = x_train.shape[1]
        self.batch.classes = classes
        self.batch.lanes = lanes
        self.batch.train = x_train.shape[0]
        self.batch.valid = x_valid.shape[0]
        self.batch.x_train = &x_train[0, 0, 0]
        self.batch.y_train = &y_train[0, 0]
        self.batch.x_valid = &x_valid[0, 0, 0]
        self.batch.y_valid = &y_valid[0, 0]
        self.batch.keys = self.lane_keys
        self.batch.active = (1 << active) - 1

    @property
    def lanes(self) -> int:
        return self.batch.lanes


cdef int check_classes(const double[:, ::1] labels, int64_t classes, int64_t features) except -1:
    """The runtime indexes memory by class numbers, so they are checked here, once."""
    if classes > features:
        raise ValueError("expected at least as many features as classes")
    for i in range(labels.shape[0]):
        for l in range(labels.shape[1]):
            if not (0 <= labels[i, l] < classes and labels[i, l] == <int64_t>labels[i, l]):
                raise ValueError("expected class numbers")
    return 0


cdef class Native:
    """Program `index` of a compiled module, by the capsule that the module keeps as ``programs``.

    ValueError if the module was built for another version of `native.h`.
    """

    cdef object capsule
    cdef const az_native *program

    def __cinit__(self, capsule, int64_t index):
        cdef const az_module *module = <const az_module *>PyCapsule_GetPointer(capsule, "azc.native")
        if module.version != AZ_NATIVE_VERSION:
            raise ValueError(f"expected version {AZ_NATIVE_VERSION}, got {module.version}")
        if not 0 <= index < module.count:
            raise ValueError(f"expected a program from 0 to {module.count - 1}, got {index}")
        self.capsule = capsule
        self.program = &module.program[index]

    @property
    def lanes(self) -> int:
        return self.program.lanes

    @property
    def features(self) -> int:
        return self.program.features


cdef int check_native(
    const az_native *native,
    Batch batch,
    const double[:, ::1] constants,
    const int64_t[::1] places,
) except -1:
    """Compiled code reads memory by these numbers, so they are checked here."""
    cdef int64_t chunks = batch.batch.lanes // native.lanes
    if (
        native.features != batch.batch.features or batch.batch.lanes % native.lanes
        or (native.lanes == 1 or native.many_classes) and chunks != 1
    ):
        raise ValueError(
            f"expected a batch of {native.features} features and {native.lanes} lanes, "
            f"got {batch.batch.features} and {batch.batch.lanes}")
    if native.many_classes != (batch.batch.classes > 2):
        raise ValueError("expected a batch whose classes fit the compiled program")
    if (0 if constants is None else constants.shape[0]) != native.constants * chunks:
        raise ValueError(f"expected {native.constants} constants for each of {chunks} chunks")
    if native.constants and constants.shape[1] != native.lanes:
        raise ValueError("expected a constant per lane")
    if (0 if places is None else places.shape[0]) != native.places:
        raise ValueError(f"expected {native.places} places")
    return 0


include "_machine.pxi"
include "_space.pxi"
include "_search.pxi"
