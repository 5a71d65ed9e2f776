import * as v from 'valibot'
import { secretArnSchema } from '../../rotation/credential.ts'
import { InvalidInput } from '../../rotation/errors.ts'
import { STORE_NAMES } from '../../rotation/stores/store.ts'

/**
 * The input of an execution of set-admin, which a person may write. Other keys are refused. checkEvent.ts says why an id has at
 * most 2048 characters.
 */
const input = v.strictObject({
  store: v.picklist(STORE_NAMES),
  id: v.pipe(v.string(), v.nonEmpty(), v.maxLength(2048)),
  admin: v.pipe(secretArnSchema, v.maxLength(2048)),
})
const call = v.object({ started: v.pipe(v.string(), v.isoTimestamp()), input })

/** What each field should be: the second half of an InvalidInput's message. */
const EXPECTED_VALUES: Record<string, string> = {
  store: `one of: ${STORE_NAMES.join(', ')}`,
  id: 'the name or the ARN of the secret, or the name of the parameter',
  admin: "the whole ARN of the admin's secret",
  started: 'as the state machine passes it',
}

/**
 * Parses the event of setAdmin.
 * @returns the execution's input, with `started`: when the execution began, in milliseconds since 1970
 * @throws InvalidInput naming the field
 */
export function parseSetAdminEvent(event: unknown) {
  const result = v.safeParse(call, event)
  if (!result.success) {
    const field = String(result.issues[0].path?.at(-1)?.key ?? 'input')
    const whole = 'store, id and admin, and nothing else'
    if (!(field in EXPECTED_VALUES)) throw new InvalidInput(`input: should be an object with ${whole}`)
    throw new InvalidInput(`${field}: should be ${EXPECTED_VALUES[field]}`)
  }
  const { started, input } = result.output
  return { ...input, started: Date.parse(started) }
}
