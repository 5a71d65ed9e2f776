import * as v from 'valibot'

/** The schema of a text that is not empty. */
export const nonEmptyText = v.pipe(v.string(), v.nonEmpty())
