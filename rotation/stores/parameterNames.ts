import type { ParameterHistory } from '@aws-sdk/client-ssm'

/** What the label of a version that a rotation made begins with. A label cannot begin with a digit, as most tokens do. */
export const LABEL = 'token-'

export const labelOf = ({ Labels = [] }: ParameterHistory) => Labels.find(label => label.startsWith(LABEL))

/** The token of a version; one that was written by hand is known by its number. */
export const tokenOf = (version: ParameterHistory) =>
  labelOf(version)?.slice(LABEL.length) ?? `v${version.Version}`

/** Whether Keyturn sets a label, and so may take it off. */
export const isOurs = (label: string) =>
  label.startsWith(LABEL) || label === 'current' || label === 'previous'

/** Where what is pending lives: see ParameterStore. */
export const PENDING = '/keyturn/pending'
export const folder = (id: string) => `${PENDING}/${id.replace(/^\//, '')}`
export const valueName = (id: string, token: string) => `${folder(id)}/${token}`
/** Where the token of the rotation that goes on is kept, in that folder. No token is so short. */
export const LOCK = 'lock'
export const lockName = (id: string) => `${folder(id)}/${LOCK}`
