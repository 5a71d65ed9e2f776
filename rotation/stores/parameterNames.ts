import type { ParameterHistory } from '@aws-sdk/client-ssm'

/** What the label of a version that a rotation made begins with. A label cannot begin with a digit, as most tokens do. */
export const TOKEN_LABEL_PREFIX = 'token-'

export const tokenLabelOf = ({ Labels = [] }: ParameterHistory) =>
  Labels.find(label => label.startsWith(TOKEN_LABEL_PREFIX))

/** The token of a version; one that was written by hand is known by its number. */
export const tokenOf = (version: ParameterHistory) =>
  tokenLabelOf(version)?.slice(TOKEN_LABEL_PREFIX.length) ?? `v${version.Version}`

/** Whether Keyturn sets a label, and so may take it off. */
export const isKeyturnLabel = (label: string) =>
  label.startsWith(TOKEN_LABEL_PREFIX) || label === 'current' || label === 'previous'

/** Where what is pending lives: see ParameterStore. */
export const PENDING_PATH = '/keyturn/pending'
export const pendingPathOf = (id: string) => `${PENDING_PATH}/${id.replace(/^\//, '')}`
export const pendingNameOf = (id: string, token: string) => `${pendingPathOf(id)}/${token}`
/** Where the token of the rotation that goes on is kept, in that folder. No token is so short. */
export const LOCK_NAME = 'lock'
export const lockNameOf = (id: string) => `${pendingPathOf(id)}/${LOCK_NAME}`
