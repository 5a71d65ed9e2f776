import { create } from '../rotation/steps.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import { parseEnvironment } from './shared/environment.ts'
import { startEvent } from './shared/event.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * A parameter's ARN is made of its name, in the account and Region of this stack: no other is rotated. A secret has one
 * of its own, which the store tells.
 */
function namesOf({ store, id }: { store: StoreName; id: string }): { name?: string; arn?: string } {
  if (store !== 'parameter-store') return {}
  const [, partition, , region, account] = parseEnvironment(process.env).executions?.split(':') ?? []
  const arn = account && `arn:${partition}:ssm:${region}:${account}:parameter/${id.replace(/^\//, '')}`
  return { name: id, ...(arn && { arn }) }
}

/** Writes the new value as pending. Its result is the state that the later steps get. */
export const handler = stepHandler('createSecret', startEvent, async (pipeline, { rotation }) => ({
  store: rotation.store,
  ...(rotation.group !== undefined && { group: rotation.group }),
  ...namesOf(rotation),
  ...(await create(pipeline, rotation)),
}))
