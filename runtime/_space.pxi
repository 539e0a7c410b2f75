# What programs are drawn from, their hashes and canonical forms. Included by _core.pyx.

from collections import namedtuple

import ctypes as _ctypes

from xxhash import _xxhash

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy

cdef extern from "xxh3.h" nogil:
    ctypedef struct az_hash:
        uint64_t low, high
    ctypedef az_hash az_hash_routine(const void *, size_t)
    az_hash az_hash_of(const void *, size_t)
    az_hash az_hash_own(const void *, size_t)
    int az_hash_use(az_hash_routine *)
    int AZ_HASH_LEAST

cdef extern from "draw.h" nogil:
    ctypedef struct az_draws:
        pass
    az_draws az_draws_of(uint64_t, uint64_t, uint32_t)
    uint64_t az_key(uint64_t, uint64_t)

cdef extern from "canonical.h" nogil:
    ctypedef struct az_canonical:
        uint8_t *bytes
        az_program program
        int32_t zero[4]
        int32_t *names
        uint8_t *live
        uint8_t *bare
    int az_canonical_new(az_canonical *, int64_t, int64_t)
    void az_canonical_free(az_canonical *)
    void az_canonical_make(
        az_canonical *, const az_program *, const az_address_map *, int64_t)
    az_hash az_canonical_hash(const az_canonical *)
    uint64_t az_structure_hash(az_canonical *)
    int az_canonical_depends(az_canonical *, const az_address_map *, int64_t)

cdef extern from "space.h" nogil:
    int AZ_MUTATIONS, AZ_ORIGINS
    const char *const az_origins[1]
    ctypedef struct az_mutation_info:
        const char *name
        int resizes
    const az_mutation_info az_mutations[1]
    ctypedef struct az_space:
        int32_t addresses[4]
        int32_t ops[3][65]
        int32_t op_count[3]
        int32_t least[3]
        int32_t most[3]
        int32_t first_size[3]
        int32_t mutation[1]
        int32_t mutations
        double repeat, decades, near_one
        int64_t classes
        int32_t start[3]
        int32_t capacity
    ctypedef struct az_candidate:
        az_instruction *code
        int32_t count[3]
    void az_space_finish(az_space *)
    void az_random_program(const az_space *, az_draws *, az_candidate *)
    void az_empty_program(const az_space *, az_candidate *)
    ctypedef struct az_context:
        int32_t others
        az_canonical *canonical
        const az_address_map *map
        int64_t classes
    int az_mutate(const az_space *, az_draws *, const az_context *, az_candidate *)
    az_address_map az_space_map(const az_space *)
    az_program az_program_of(const az_space *, const az_candidate *)
    void az_copy_candidate(const az_space *, az_candidate *, const az_candidate *)

cdef extern from "filter.h" nogil:
    int AZ_FILTER_STRICT, AZ_LACKS_NOTHING
    int az_lacks(const az_space *, const az_program *)

HASH_LEAST = AZ_HASH_LEAST


cdef bint use_hash_of_package():
    """Whether the xxhash package lends its C function (`xxh3.h`)."""
    try:
        function = _ctypes.CDLL(_xxhash.__file__).XXH3_128bits
    except (OSError, AttributeError):
        return False
    address = _ctypes.cast(function, _ctypes.c_void_p).value
    return az_hash_use(<az_hash_routine *><size_t>address)


HASH_OF_PACKAGE = use_hash_of_package()


MethodInfo = namedtuple("MethodInfo", ["name", "least", "most", "families", "staged"], module=__name__)
MutationInfo = namedtuple("MutationInfo", ["name", "resizes"], module=__name__)
METHODS = tuple(
    MethodInfo(
        az_methods[i].name.decode(), az_methods[i].least, az_methods[i].most,
        bool(az_methods[i].families), bool(az_methods[i].staged))
    for i in range(az_method_count))
MUTATIONS = tuple(
    MutationInfo(az_mutations[i].name.decode(), bool(az_mutations[i].resizes))
    for i in range(AZ_MUTATIONS))
ORIGINS = tuple(az_origins[i].decode() for i in range(AZ_ORIGINS))


def hash128(bytes data not None, bint own=False) -> int:
    """XXH3-128 of at least `HASH_LEAST` bytes, as the search computes it; `own`: as `xxh3.c`."""
    cdef az_hash value
    if len(data) < AZ_HASH_LEAST:
        raise ValueError(f"expected at least {AZ_HASH_LEAST} bytes")
    if own:
        value = az_hash_own(<const char *>data, len(data))
    else:
        value = az_hash_of(<const char *>data, len(data))
    return (<object>value.high << 64) | <object>value.low


cdef class Canonical:
    """The canonical form of a program for tasks of so many classes: see `canonical.h`."""

    cdef az_canonical form
    cdef az_address_map addresses
    cdef Code code
    cdef readonly int64_t classes

    def __cinit__(self, Code code not None, int64_t classes):
        cdef int64_t count = sum(code.program.count[f] for f in range(3))
        self.code, self.classes = code, classes
        self.addresses = az_map_addresses(&code.program)
        if not az_canonical_new(&self.form, count, self.addresses.count):
            raise MemoryError
        az_canonical_make(&self.form, &code.program, &self.addresses, classes)

    def __dealloc__(self):
        az_canonical_free(&self.form)

    cdef tuple packed_at(self, ptrdiff_t offset):
        cdef const char *body[3]
        for f in range(3):
            body[f] = <const char *>self.form.program.body[f] + offset
        return tuple(
            PyBytes_FromStringAndSize(
                body[f], self.form.program.count[f] * sizeof(az_instruction))
            for f in range(3))

    @property
    def packed(self) -> tuple:
        return self.packed_at(0)

    @property
    def hash(self) -> int:
        cdef az_hash value = az_canonical_hash(&self.form)
        return (<object>value.high << 64) | <object>value.low

    @property
    def structure_hash(self) -> int:
        return az_structure_hash(&self.form)

    @property
    def bare(self) -> tuple:
        """Packed like the canonical form, all constants being zero."""
        az_structure_hash(&self.form)
        return self.packed_at(self.form.bare - self.form.bytes)

    @property
    def depends(self) -> bool:
        return bool(az_canonical_depends(&self.form, &self.addresses, self.classes))

    @property
    def names(self) -> dict:
        """(type, number) in the form for (type, number) in the program, of every address that a
        live instruction reads or writes; types are 1, 2, 3 for scalars, vectors, matrices."""
        cdef const az_instruction *instruction
        cdef const uint8_t *live = self.form.live
        cdef dict names = {}
        for f in range(3):
            for i in range(self.code.program.count[f]):
                if live[i]:
                    instruction = &self.code.program.body[f][i]
                    self.name(names, az_ops[instruction.op].result, instruction.out)
                    self.name(names, az_ops[instruction.op].first, instruction.a)
                    self.name(names, az_ops[instruction.op].second, instruction.b)
            live += self.code.program.count[f]
        return names

    cdef int name(self, dict names, int type, int32_t number) except -1:
        cdef int32_t known
        if type:
            known = self.form.names[self.addresses.offset[type] + number]
            names[type, number] = type, self.form.zero[type] if known < 0 else known
        return 0

    def arguments(self, int64_t features) -> tuple:
        """(constants, places): the numbers that a compiled function of this structure is given,
        and the entries that its instructions set, -1 where `features` are too few for one."""
        cdef const az_instruction *instruction
        cdef const az_op_info *op
        constants, places = [], []
        for f in range(3):
            for i in range(self.form.program.count[f]):
                instruction = &self.form.program.body[f][i]
                op = &az_ops[instruction.op]
                if op.entry:
                    places.append(az_entry_place(instruction, features))
                for c in range(az_index_count(op), op.constants):
                    constants.append(instruction.constant[c])
        return constants, places


cdef tuple pack_candidate(const az_space *space, const az_candidate *c):
    return tuple(
        PyBytes_FromStringAndSize(
            <const char *>(c.code + space.start[f]), c.count[f] * sizeof(az_instruction))
        for f in range(3))


cdef int unpack_candidate(const az_space *space, tuple packed, az_candidate *to) except -1:
    """Copies a packed program that fits the space."""
    cdef Code code = Code(packed)
    for f in range(3):
        if code.program.count[f] > space.most[f]:
            raise ValueError(f"expected at most {space.most[f]} instructions")
        for i in range(code.program.count[f]):
            if not fits(space, &code.program.body[f][i]):
                raise ValueError("expected addresses of the space")
        to.count[f] = <int32_t>code.program.count[f]
        memcpy(to.code + space.start[f], code.program.body[f],
               code.program.count[f] * sizeof(az_instruction))
    return 0


cdef bint fits(const az_space *space, const az_instruction *instruction) noexcept:
    cdef az_op_info op = az_ops[instruction.op]
    return (
        (not op.result or instruction.out < space.addresses[op.result])
        and (not op.first or instruction.a < space.addresses[op.first])
        and (not op.second or instruction.b < space.addresses[op.second])
    )


cdef class Space:
    """What programs are drawn from.

    `addresses`: how many scalars, vectors and matrices. `ops`: three lists of op numbers, for
    Setup, Predict and Learn; `least`, `most` and `first`: three sizes each. `mutations`: numbers
    of the kinds of mutation that are allowed, in the order of `space.h`. `repeat`, `decades` and
    `near_one`: as there; `classes`: of the tasks.
    """

    cdef az_space space
    cdef az_address_map map
    cdef az_canonical canonical

    def __cinit__(
        self,
        addresses,
        ops,
        least,
        most,
        first,
        mutations,
        *,
        classes=0,
        repeat=0.0,
        decades=0.0,
        near_one=0.0,
    ):
        for t in range(3):
            self.space.addresses[t + 1] = addresses[t]
        for f in range(3):
            self.space.op_count[f] = len(ops[f])
            for i, number in enumerate(ops[f]):
                if not 0 <= number < AZ_OP_COUNT:
                    raise ValueError("expected an op of the table")
                self.space.ops[f][i] = number
            if not 0 <= least[f] <= first[f] <= most[f]:
                raise ValueError("expected sizes in order")
            self.space.least[f], self.space.most[f] = least[f], most[f]
            self.space.first_size[f] = first[f]
        self.space.classes, self.space.repeat = classes, repeat
        self.space.decades, self.space.near_one = decades, near_one
        self.space.mutations = len(mutations)
        for i, number in enumerate(mutations):
            if not 0 <= number < AZ_MUTATIONS:
                raise ValueError("expected a kind of mutation")
            self.space.mutation[i] = number
        az_space_finish(&self.space)
        self.map = az_space_map(&self.space)
        if not az_canonical_new(&self.canonical, self.space.capacity, self.map.count):
            raise MemoryError

    def __dealloc__(self):
        az_canonical_free(&self.canonical)

    @property
    def capacity(self) -> int:
        return self.space.capacity

    def random(self, uint64_t seed, uint64_t candidate) -> tuple:
        """A random program, packed."""
        cdef az_draws draws = az_draws_of(az_key(seed, 0), candidate, 0)
        cdef az_candidate made
        cdef bytearray room = bytearray(self.space.capacity * sizeof(az_instruction) + 1)
        made.code = <az_instruction *><char *>room
        az_empty_program(&self.space, &made)
        with Environment():
            az_random_program(&self.space, &draws, &made)
        return pack_candidate(&self.space, &made)

    def passing(
        self, uint64_t seed, uint64_t candidate, int filter, int64_t tries, tuple held=None
    ):
        """(a random program, packed; draws it took), drawn again while a filter of this level
        stops it, at most so many times; None where no draw passes.

        `held`: a program whose functions stand where there are no ops to draw from.
        """
        cdef az_draws draws = az_draws_of(az_key(seed, 0), candidate, 0)
        cdef az_candidate made
        cdef bytearray room = bytearray(self.space.capacity * sizeof(az_instruction) + 1)
        cdef int64_t drawn = 0
        cdef int passes = 0
        made.code = <az_instruction *><char *>room
        az_empty_program(&self.space, &made)
        if held is not None:
            unpack_candidate(&self.space, held, &made)
        with Environment():
            with nogil:
                while drawn < tries and not passes:
                    az_random_program(&self.space, &draws, &made)
                    drawn += 1
                    passes = self.passes(&made, filter)
        return (pack_candidate(&self.space, &made), drawn) if passes else None

    cdef int passes(self, const az_candidate *made, int filter) noexcept nogil:
        """Whether a filter of this level lets a program through, of which the canonical form is
        made."""
        cdef az_program program = az_program_of(&self.space, made)
        az_canonical_make(&self.canonical, &program, &self.map, self.space.classes)
        if filter == AZ_FILTER_STRICT:
            return az_lacks(&self.space, &self.canonical.program) == AZ_LACKS_NOTHING
        return not filter or az_canonical_depends(
            &self.canonical, &self.map, self.space.classes)

    def walk(
        self, tuple packed not None, uint64_t seed, uint64_t candidate, int filter, sizes,
        int64_t least, int64_t most,
    ) -> tuple:
        """A random program, packed, that a filter of this level lets through, with as many live
        instructions in each function as `sizes` says, or as near as it got.

        From `packed`, which passes, it mutates step by step, and stays where the filter stops a
        mutant, or where its sizes are further off, and by more than two. With mutations that draw
        an instruction anew, it comes in the end to every program as often as those are drawn that
        pass. It looks at the sizes after `least` steps, ends if they are these, and looks again
        after a tenth of that, for the first program of these sizes is not as any other; at the
        latest it ends after `most`.
        """
        cdef az_draws draws = az_draws_of(az_key(seed, 0), candidate, 0)
        cdef az_candidate made, tried
        cdef bytearray room = bytearray(self.space.capacity * sizeof(az_instruction) + 1)
        cdef bytearray other = bytearray(self.space.capacity * sizeof(az_instruction) + 1)
        cdef az_context alone
        cdef int64_t step = 0, off, further, look = least
        cdef int64_t wanted[3]
        for f in range(3):
            wanted[f] = sizes[f]
        made.code = <az_instruction *><char *>room
        tried.code = <az_instruction *><char *>other
        memset(&alone, 0, sizeof(alone))
        alone.canonical, alone.map = &self.canonical, &self.map
        alone.classes = self.space.classes
        unpack_candidate(&self.space, packed, &made)
        with Environment():
            with nogil:
                self.passes(&made, filter)
                off = self.off(wanted)
                while step < most:
                    if step == look:
                        if not off:
                            break
                        look += least // 10 + 1
                    step += 1
                    az_copy_candidate(&self.space, &tried, &made)
                    az_mutate(&self.space, &draws, &alone, &tried)
                    if self.passes(&tried, filter):
                        further = self.off(wanted)
                        if further <= off or further <= 2:
                            off = further
                            az_copy_candidate(&self.space, &made, &tried)
        return pack_candidate(&self.space, &made)

    cdef int64_t off(self, const int64_t *wanted) noexcept nogil:
        """By how many live instructions the canonical form is larger or smaller than that."""
        cdef int64_t sum = 0
        cdef int f
        for f in range(3):
            sum += labs(self.canonical.program.count[f] - wanted[f])
        return sum

    def mutate(self, tuple packed not None, uint64_t seed, uint64_t candidate) -> tuple:
        """(kind of mutation, the mutant, packed), where there are no others to look at."""
        cdef az_draws draws = az_draws_of(az_key(seed, 0), candidate, 0)
        cdef az_candidate made
        cdef bytearray room = bytearray(self.space.capacity * sizeof(az_instruction) + 1)
        made.code = <az_instruction *><char *>room
        unpack_candidate(&self.space, packed, &made)
        cdef az_context alone
        memset(&alone, 0, sizeof(alone))
        alone.canonical, alone.map = &self.canonical, &self.map
        alone.classes = self.space.classes
        with Environment():
            kind = az_mutate(&self.space, &draws, &alone, &made)
        return kind, pack_candidate(&self.space, &made)
