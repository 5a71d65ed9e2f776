import { AwsError } from '../awsError.ts'
import { randomPasswordActions } from './randomPassword.ts'
import type { RegionView } from './regionView.ts'
import { replicaActions } from './replicas.ts'
import type { Request } from './secret.ts'
import { secretActions } from './secrets.ts'
import { versionActions } from './values.ts'

/** All actions, by name. */
const actions: Record<string, (request: Request, here: RegionView) => object> = {
  ...secretActions,
  ...versionActions,
  ...replicaActions,
  ...randomPasswordActions,
}

/** Answers a call. Actions are synchronous, so one call never sees another half done. @throws AwsError */
export function answerCall(action: string, request: Request, here: RegionView): object {
  if (!Object.hasOwn(actions, action)) throw new AwsError('UnknownOperationException')
  here.replication.settle()
  return (actions[action] as (typeof actions)[string])(request, here)
}
