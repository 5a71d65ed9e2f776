import { Refused } from '../refused.ts'
import type { Here } from './here.ts'
import { randomPassword } from './randomPassword.ts'
import { replicas } from './replicas.ts'
import type { Request } from './secret.ts'
import { secrets } from './secrets.ts'
import { values } from './values.ts'

const actions: Record<string, (request: Request, here: Here) => object> = {
  ...secrets,
  ...values,
  ...replicas,
  ...randomPassword,
}

/** What AWS answers to a call. No action waits for anything, so no two ever mix. @throws Refused */
export function answer(action: string, request: Request, here: Here): object {
  if (!Object.hasOwn(actions, action)) throw new Refused('UnknownOperationException')
  here.replication.settle()
  return (actions[action] as (typeof actions)[string])(request, here)
}
