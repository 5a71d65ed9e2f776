import * as v from 'valibot'
import { InvalidInput } from '../../rotation/errors.ts'
import { STORE_NAMES } from '../../rotation/stores/store.ts'
import { parseEvent } from './event.ts'

/**
 * The input of an execution of check. Other keys are refused. No id has more than 2048 characters: the name of a parameter has at
 * most 1011 (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html), and the
 * ARN of a secret at most 2048 (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html).
 */
const input = v.strictObject({
  store: v.picklist(STORE_NAMES),
  id: v.pipe(v.string(), v.nonEmpty(), v.maxLength(2048)),
})

/** Parses the event of checkCredential, which is the execution's input. @throws InvalidInput naming the field */
export function parseCheckEvent(event: unknown) {
  const result = v.safeParse(input, event)
  if (result.success) return result.output
  const field = String(result.issues[0].path?.at(-1)?.key)
  if (field in input.entries) return parseEvent(input, event)
  throw new InvalidInput('input: should be an object with store and id, and nothing else')
}
