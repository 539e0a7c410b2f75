/* The strict level of the filter: whether a program learns what it predicts from. */
#ifndef AZ_FILTER_H
#define AZ_FILTER_H

#include "flow.h"

/* Levels of the filter; the first is canonical.h's. */
enum { AZ_FILTER_DEPENDS = 1, AZ_FILTER_STRICT };

/* Whether every instruction of Predict depends on the features, and every state that Predict reads
 * and that Predict or Learn writes depends on itself, on the label and on the prediction; at least
 * one there is. For programs without dead instructions. */
int az_learns_strictly(const az_space *space, const az_program *program);

/* What kind of leaf an expression of Predict has. */
enum { AZ_LEAF_FEATURES = 1, AZ_LEAF_ZERO, AZ_LEAF_LEARNED, AZ_LEAF_WRITTEN, AZ_LEAF_FIXED };

/* A hash of the form of the expression that Predict computes: ops, and kinds of leaves, those that
 * are learned, written or fixed numbered as they come. 0: Predict does not write the prediction. */
uint64_t az_form(const az_space *space, const az_program *program);

#endif
