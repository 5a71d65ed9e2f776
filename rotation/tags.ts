/** The tags of a secret or a parameter, by their keys. */
export type Tags = Record<string, string>

/** What the keys of Keyturn's own tags begin with. */
export const TAG_PREFIX = 'keyturn:'

/** The tag that makes a credential rotate by itself. */
export const EVERY_TAG = `${TAG_PREFIX}every`
export const MANAGED_TAG = `${TAG_PREFIX}managed`
/** The tag that names the Region in which the credential rotates. */
export const HOME_TAG = `${TAG_PREFIX}home`
/** The tag that keeps Secrets Manager's own schedule for a replica, which has none. */
export const SERVICE_SCHEDULE_TAG = `${TAG_PREFIX}service-schedule`
/** The tag of a secret that others name as their admin's. */
export const ADMIN_TAG = `${TAG_PREFIX}admin`

/** Tags as AWS's services list them. */
export function tagsIn(list: { Key?: string | undefined; Value?: string | undefined }[] = []): Tags {
  return Object.fromEntries(list.map(({ Key = '', Value = '' }) => [Key, Value]))
}

/** Keyturn's own tags, by what their keys go on with. What they may be is told by options.ts. */
export function ownTags(tags: Tags): Tags {
  const own = Object.entries(tags).filter(([key]) => key.startsWith(TAG_PREFIX))
  return Object.fromEntries(own.map(([key, value]) => [key.slice(TAG_PREFIX.length), value]))
}

const GIVEN_UP_PREFIX = 'given-up:'

/** The tag that says of a Region that rotations go on without its replica; its value is a day, and why. */
export const givenUpTag = (region: string) => `${TAG_PREFIX}${GIVEN_UP_PREFIX}${region}`

/** How such a value begins. */
const DAY_AT_START = /^\d{4}-\d\d-\d\d(?= |$)/

/** Keyturn's own tags in two: those that stand for one Region each, by its name, and the others. */
export function splitByRegion(own: Tags): { givenUp: Tags; others: Tags } {
  const isGivenUp = ([name]: [string, string]) => name.startsWith(GIVEN_UP_PREFIX)
  const entries = Object.entries(own)
  const regions = entries
    .filter(isGivenUp)
    .map(([name, value]) => [name.slice(GIVEN_UP_PREFIX.length), value])
  const others = entries.filter(entry => !isGivenUp(entry))
  return { givenUp: Object.fromEntries(regions), others: Object.fromEntries(others) }
}

/** The Regions that were given up, each with the day and the reason. One that names no day does not count. */
export function givenUpIn(tags: Tags): Tags {
  const { givenUp } = splitByRegion(ownTags(tags))
  return Object.fromEntries(Object.entries(givenUp).filter(([, value]) => DAY_AT_START.test(value)))
}

// Each of these looks at one tag, and does not mind what is wrong with the others.

/** Whether Keyturn may rotate it; IAM heeds the same tag. */
export const isManaged = (tags: Tags) => tags[MANAGED_TAG] === 'true'

/** Whether it is an admin's secret, which rotations of others may read. */
export const isAdmin = (tags: Tags) => tags[ADMIN_TAG] === 'true'

export const isScheduled = (tags: Tags) => EVERY_TAG in tags

/** Whether the value is any text, which no database has to learn. */
export const isOpaque = (tags: Tags) => tags[`${TAG_PREFIX}engine`] === 'opaque'

/** Name of the parameter that says whose password the value is, and where. An empty one is none. */
export const connectionIn = (tags: Tags): string | undefined => tags[`${TAG_PREFIX}connection`] || undefined

/** The Region in which it rotates, where a tag says so. */
export const homeIn = (tags: Tags): string | undefined => tags[HOME_TAG]

export const strategyIn = (tags: Tags): string | undefined => tags[`${TAG_PREFIX}strategy`]

export const graceIn = (tags: Tags): string | undefined => tags[`${TAG_PREFIX}grace`]

/** The same tags with another strategy. */
export const withStrategyTag = (tags: Tags, strategy: string): Tags => ({
  ...tags,
  [`${TAG_PREFIX}strategy`]: strategy,
})
