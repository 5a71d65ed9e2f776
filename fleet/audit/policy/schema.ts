import * as v from 'valibot'
import { durationSchema } from '../../../rotation/duration.ts'
import { STORE_NAMES } from '../../../rotation/stores/store.ts'
import { DEFAULT_POLICY, type Policy, type PolicySection } from './policy.ts'

/** How many sections a file may have, and how many exceptions. */
const MAX_ENTRY_COUNT = 1000

// The schemas of fields. `what` is the message if a field is wrong: what the field should be.
const text = (what: string) => v.pipe(v.string(what), v.minLength(1, what), v.maxLength(1024, what))
const texts = (what: string) => v.pipe(v.array(text(what), what), v.maxLength(100, `${what}; 100 at most`))
const isDuration = (text: string) => v.safeParse(durationSchema, text).success
const duration = (what: string) => v.pipe(v.string(what), v.check(isDuration, what), durationSchema)
/** Whether a day exists: JavaScript takes the 31st of a month with 30 days for the 1st of the next. */
const isDay = (text: string) => new Date(`${text}T00:00Z`).toJSON()?.slice(0, 10) === text
/** A duration of at least `least` seconds, or `never`. `example` is a duration for the message. */
const orNever = (example: string, least = 0) => {
  const what = `should be a whole number with ${least ? '' : 's, '}m, h or d, such as ${example}, or never; 365d at most`
  return v.union([v.literal('never'), v.pipe(duration(what), v.minValue(least, what))], what)
}
const count = v.pipe(
  v.number('should be a whole number'),
  v.integer('should be a whole number'),
  v.minValue(1, 'should be 1 or more'),
)
const flag = v.boolean('should be true or false')
const ACCOUNT_HINT = 'should be the number of an account in quotes, such as "123456789012"'

const settings = {
  // The tag keyturn:every cannot be shorter than a minute.
  'max-age': v.exactOptional(orNever('90d', 60)),
  'must-rotate': v.exactOptional(flag),
  'unread-after': v.exactOptional(orNever('90d')),
  'pending-after': v.exactOptional(
    duration('should be a whole number with s, m, h or d, such as 24h; 365d at most'),
  ),
  'customer-key': v.exactOptional(flag),
  'owner-tags': v.exactOptional(texts('should be a list of the keys of tags')),
  'parameter-paths': v.exactOptional(texts('should be a list of what paths begin with, such as /prod/')),
  'secret-names': v.exactOptional(texts('should be a list of words, such as password')),
  'admin-uses': v.exactOptional(count),
  'trusted-accounts': v.exactOptional(
    v.pipe(
      v.array(
        v.pipe(v.string(ACCOUNT_HINT), v.regex(/^\d{12}$/, ACCOUNT_HINT)),
        'should be a list of numbers of accounts',
      ),
      v.maxLength(1000, 'should have 1000 accounts at most'),
    ),
  ),
}

const tag = v.pipe(
  v.string('should be the key of a tag, or KEY=VALUE'),
  v.regex(/^[^=]+(=.*)?$/su, 'should be the key of a tag, or KEY=VALUE'),
  v.transform(text => {
    const [, key = '', value] = /^([^=]+)(?:=(.*))?$/su.exec(text) ?? []
    return { key, ...(value !== undefined && { value }) }
  }),
)

const section = v.strictObject({
  for: v.pipe(
    v.strictObject(
      {
        prefix: v.exactOptional(text('should be what names begin with')),
        store: v.exactOptional(v.picklist(STORE_NAMES, `should be ${STORE_NAMES.join(' or ')}`)),
        tag: v.exactOptional(tag),
      },
      'should have prefix, store or tag, and nothing else',
    ),
    v.check(given => Object.keys(given).length > 0, 'should have prefix, store or tag'),
  ),
  ...settings,
})

const NAME_HINT = 'should be a name, or what names begin with and one * at its end'
const exception = v.strictObject({
  rule: text('should be the id of a rule: docs/audit.md lists them'),
  name: v.pipe(text(NAME_HINT), v.regex(/^[^*]*[^*]$|^[^*]*\*$/s, NAME_HINT)),
  region: v.exactOptional(text('should be a Region, such as eu-west-1')),
  until: v.pipe(
    v.string('should be a day, such as 2026-12-31'),
    v.isoDate('should be a day, such as 2026-12-31'),
    v.check(isDay, 'should be a day that there is'),
  ),
  reason: text('should say why, in 1024 characters at most'),
})

/** The schema of a policy file. */
export const policySchema = v.strictObject({
  ...settings,
  'same-minute': v.exactOptional(count),
  'team-tags': v.exactOptional(texts('should be a list of the keys of tags')),
  sections: v.exactOptional(
    v.pipe(
      v.array(section, 'should be a list'),
      v.maxLength(MAX_ENTRY_COUNT, `should have ${MAX_ENTRY_COUNT} sections at most`),
    ),
  ),
  exceptions: v.exactOptional(
    v.pipe(
      v.array(exception, 'should be a list'),
      v.maxLength(MAX_ENTRY_COUNT, `should have ${MAX_ENTRY_COUNT} exceptions at most`),
    ),
  ),
})

/** The settings with their names in camel case, such as maxAge for max-age. */
function withCamelCaseKeys<Given extends object>(given: Given): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [
      key.replaceAll(/-([a-z])/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  )
}

/** The policy of a parsed file, with the defaults for what the file leaves out. */
export function policyFromFile(file: v.InferOutput<typeof policySchema>): Policy {
  const { sections = [], exceptions = [], ...rest } = file
  return {
    ...DEFAULT_POLICY,
    ...withCamelCaseKeys(rest),
    sections: sections.map(section => withCamelCaseKeys(section) as PolicySection),
    exceptions,
  }
}
