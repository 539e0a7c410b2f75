/* The strict level of the filter: whether a program learns what it predicts from.
 *
 * The filter turns candidates away that cannot be good, before anything is run (`search.filter` in
 * a search file). island.c asks az_lacks, niches.c az_form and az_ingredients: what
 * kind of prediction a program makes. */
#ifndef AZ_FILTER_H
#define AZ_FILTER_H

#include "flow.h"

/* Levels of the filter; the first is canonical.h's. */
enum { AZ_FILTER_DEPENDS = 1, AZ_FILTER_STRICT };

/* What a program lacks that is to learn what it predicts from: predictions that depend on the
 * features and on a state; writes of such a state in Learn; or it lacks one of what the strict filter
 * asks for, which is this: every instruction of Predict depends on the features, and every state that
 * Predict reads and that Predict or Learn writes depends on the label, on the prediction, and on its
 * own old value other than through what Predict made of it. For programs without dead
 * instructions. */
enum { AZ_LACKS_NOTHING, AZ_LACKS_STATES, AZ_LACKS_UPDATES, AZ_LACKS_KNOWLEDGE };
int az_lacks(const az_space *space, const az_program *program);

/* What kind of leaf an expression of Predict has. */
enum { AZ_LEAF_FEATURES = 1, AZ_LEAF_ZERO, AZ_LEAF_LEARNED, AZ_LEAF_WRITTEN, AZ_LEAF_FIXED };

/* A hash of the form of the expression that Predict computes: ops, and kinds and types of leaves;
 * which of two alike a leaf is does not count. 0: Predict does not write the prediction. */
uint64_t az_form(const az_space *space, const az_program *program);

/* A hash of what the prediction is made of: whether there are products of matrices on the way to
 * it, and noise, and how many of the vectors and of the matrices that it reads are learned: none,
 * one, or more. Few kinds, so that each gets its share of the draws. */
uint64_t az_ingredients(const az_space *space, const az_program *program);

#endif
