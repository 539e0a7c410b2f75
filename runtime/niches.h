/* Niches, what the method of that name keeps instead of one ranking: of each kind of prediction
 * (az_form in filter.h) the few best programs, so that one kind cannot crowd out all others.
 * methods.c breeds with az_niches_step; the lists lie beside the population:
 *
 *     elite    [population]        what is known of a member beside what az_member says
 *     niche    [population]        its key, and how many members it has
 *     of       [population][elites]   numbers of a niche's members, the best first
 *     ranked   [niches]            numbers of niches, the one with the best member first
 *     vacant   [...]               numbers of niches that are none any more, to be used again
 */
#ifndef AZ_NICHES_H
#define AZ_NICHES_H

#include "trial.h"

typedef struct {
    uint64_t structure;             /* hash without constants: a niche has one of each */
    double score;                   /* fitness, less what parsimony takes */
    double first;                   /* fitness on the first tasks alone */
    double hurdle[AZ_MOST_HURDLES]; /* score at each */
} az_elite;

typedef struct {
    uint64_t key;
    int32_t count, rank;
} az_niche;

typedef struct {
    az_elite *elite;
    az_niche *niche;
    int32_t *of, *ranked, *vacant;
    int32_t niches, vacancies, used; /* niche numbers: ranked, vacant, ever used */
    double least[AZ_MOST_HURDLES];   /* what a candidate must score at a hurdle in any case */
    int64_t evaluated;               /* on the first tasks, in this population */
    int32_t fitted, fits; /* a member, and how often its constants are to be varied yet */
} az_niches;

#endif
