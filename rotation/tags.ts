/** The tags of a secret or a parameter, by their keys. */
export type Tags = Record<string, string>

/** The most characters in the value of a tag. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html */
export const MAX_TAG_VALUE_LENGTH = 256

/** The start of the keys of Keyturn's own tags. */
export const TAG_PREFIX = 'keyturn:'

/** The tag with the time between two rotations, by which Keyturn's schedule starts them. */
export const EVERY_TAG = `${TAG_PREFIX}every`
/** The tag that, set to `true`, lets Keyturn rotate a secret, a parameter or an RDS database. IAM policies require it. */
export const MANAGED_TAG = `${TAG_PREFIX}managed`
/** The tag that names the home Region, the only one in which the credential rotates. */
export const HOME_TAG = `${TAG_PREFIX}home`
/**
 * The tag that stores Secrets Manager's own schedule of a secret until a replica is promoted: replicas get the tags of their
 * primary, but not its schedule.
 */
export const SERVICE_SCHEDULE_TAG = `${TAG_PREFIX}service-schedule`
/** The tag that, set to `true`, marks the secret of an admin, which other values name in `masterarn`. */
export const ADMIN_TAG = `${TAG_PREFIX}admin`

/** Tags by their keys, from the list that an AWS service returns. */
export function tagsIn(list: { Key?: string | undefined; Value?: string | undefined }[] = []): Tags {
  return Object.fromEntries(list.map(({ Key = '', Value = '' }) => [Key, Value]))
}

/** Keyturn's own tags, by their keys without `keyturn:`. options.ts says which values are allowed. */
export function ownTags(tags: Tags): Tags {
  const own = Object.entries(tags).filter(([key]) => key.startsWith(TAG_PREFIX))
  return Object.fromEntries(own.map(([key, value]) => [key.slice(TAG_PREFIX.length), value]))
}

const GIVEN_UP_PREFIX = 'given-up:'

/**
 * The key of the tag which says that a Region was given up, so that rotations do not wait for its replica. The value is the day and
 * the reason, such as `2026-11-29 the Region is down`.
 */
export const givenUpTag = (region: string) => `${TAG_PREFIX}${GIVEN_UP_PREFIX}${region}`

/** The day at the start of the value of a tag `keyturn:given-up:<Region>`. */
const DAY_AT_START = /^\d{4}-\d\d-\d\d(?= |$)/

/** Splits Keyturn's own tags (see ownTags): those about a Region that was given up, by the name of the Region, and the others. */
export function splitGivenUpTags(own: Tags): { givenUp: Tags; others: Tags } {
  const isGivenUp = ([name]: [string, string]) => name.startsWith(GIVEN_UP_PREFIX)
  const entries = Object.entries(own)
  const regions = entries
    .filter(isGivenUp)
    .map(([name, value]) => [name.slice(GIVEN_UP_PREFIX.length), value])
  const others = entries.filter(entry => !isGivenUp(entry))
  return { givenUp: Object.fromEntries(regions), others: Object.fromEntries(others) }
}

/** The Regions that were given up, each with the day and the reason. A tag whose value begins with no day does not count. */
export function givenUpIn(tags: Tags): Tags {
  const { givenUp } = splitGivenUpTags(ownTags(tags))
  return Object.fromEntries(Object.entries(givenUp).filter(([, value]) => DAY_AT_START.test(value)))
}

// Each function below reads one tag, whatever is wrong with the others.

/**
 * Whether the tags let Keyturn rotate what has them. IAM policies require the same tag. A secret that Secrets Manager rotates by
 * the stack's rotation function needs no tag: see isEnrolled.
 */
export const isManaged = (tags: Tags) => tags[MANAGED_TAG] === 'true'

/** Whether the tags are those of an admin's secret, which the rotations of other secrets may read. */
export const isAdmin = (tags: Tags) => tags[ADMIN_TAG] === 'true'

/** Whether Keyturn's schedule rotates what has these tags, even if the value of the tag is wrong. */
export const isScheduled = (tags: Tags) => EVERY_TAG in tags

/** Whether the value is opaque: any text, which no database has to know. */
export const isOpaque = (tags: Tags) => tags[`${TAG_PREFIX}engine`] === 'opaque'

/** The name of the parameter with server and user, if the value is a password alone. An empty tag counts as none. */
export const connectionIn = (tags: Tags): string | undefined => tags[`${TAG_PREFIX}connection`] || undefined

/** The home Region, if a tag names one. */
export const homeIn = (tags: Tags): string | undefined => tags[HOME_TAG]

/** The text of the tag `keyturn:strategy`, which may be no strategy's name. */
export const strategyIn = (tags: Tags): string | undefined => tags[`${TAG_PREFIX}strategy`]

/** The text of the tag `keyturn:grace`, which may be no duration. */
export const graceIn = (tags: Tags): string | undefined => tags[`${TAG_PREFIX}grace`]

/** A copy of the tags with another strategy. */
export const withStrategyTag = (tags: Tags, strategy: string): Tags => ({
  ...tags,
  [`${TAG_PREFIX}strategy`]: strategy,
})
