/* A candidate's evaluation in stages, for methods that decide in between whether it goes on:
 *
 *     first tasks     example by example; the memory is kept from stage to stage
 *     the others      all at once, for what would be the best (niches.confirm)
 *
 * A score at a hurdle is made of the errors on the second half of the examples up to there, each
 * made before the program learned from its example. Interpreted. niches.c goes through the stages
 * of one candidate in the order of these functions.
 */
#ifndef AZ_STAGES_H
#define AZ_STAGES_H

#include "trial.h"

/* Begins with the analysed candidate on the first tasks. */
void az_stages_begin(az_trial *trial);

/* Trains on the examples of a fingerprint, which is a hash of their predictions; returns whether
 * any task goes on. */
int az_stages_fingerprint(az_trial *trial, uint64_t *fingerprint);

/* Trains up to a hurdle; the score there, as a fitness. */
double az_stages_hurdle(az_trial *trial, int hurdle);

/* How far from linear in the features predictions are by now, from 0 to 1; of the tasks that go on,
 * the mean of
 *
 *     sum |f(x) + f(-x) - 2 f(0)| / (that + sum |f(x) - f(-x)|)
 *
 * over the first training examples x, in which f draws the same random numbers. Memory stays as it
 * was. */
double az_stages_nonlinearity(az_trial *trial);

/* The score at a hurdle of a program that always predicts 0. */
double az_stages_untaught(az_trial *trial, int hurdle);

/* Finishes; the fitness on the first tasks. */
double az_stages_finish(az_trial *trial);

/* Adds up the training steps of what was begun; when no more stages follow but the next. */
void az_stages_end(az_trial *trial);

/* The fitness on all tasks, once that on the first is known. */
double az_stages_confirm(az_trial *trial, double first);

#endif
