/** What the name of a Region looks like, such as `eu-west-1`: a part of a regular expression. */
export const REGION_NAME = String.raw`[a-z]{2}(-[a-z]+)+-\d`

/** Matches a text that is the name of a Region. */
export const REGION_PATTERN = new RegExp(`^${REGION_NAME}$`)
