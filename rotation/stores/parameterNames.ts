import type { ParameterHistory } from '@aws-sdk/client-ssm'

/**
 * The start of the label that holds the token of a version which a rotation made. A label cannot begin with a digit, and most
 * tokens do. https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html
 */
export const TOKEN_LABEL_PREFIX = 'token-'

/** The label of a version with its token; undefined if no rotation made the version, or the label is not set yet. */
export const tokenLabelOf = ({ Labels = [] }: ParameterHistory) =>
  Labels.find(label => label.startsWith(TOKEN_LABEL_PREFIX))

/** The token of a version. A version that somebody wrote by hand has its number as token, such as `v3`. */
export const tokenOf = (version: ParameterHistory) =>
  tokenLabelOf(version)?.slice(TOKEN_LABEL_PREFIX.length) ?? `v${version.Version}`

/** Whether a label is one of Keyturn's, so that Keyturn may remove it. */
export const isKeyturnLabel = (label: string) =>
  label.startsWith(TOKEN_LABEL_PREFIX) || label === 'current' || label === 'previous'

/** The path of the parameters that hold pending values and locks: see ParameterStore. */
export const PENDING_PATH = '/keyturn/pending'
/** The path for one parameter: `/keyturn/pending/<name>`. */
export const pendingPathOf = (id: string) => `${PENDING_PATH}/${id.replace(/^\//, '')}`
/** The name of the parameter that holds the pending value of a token: `/keyturn/pending/<name>/<token>`. */
export const pendingNameOf = (id: string, token: string) => `${pendingPathOf(id)}/${token}`
/** The last part of the lock's name. A token has at least 32 characters, so it cannot be the same. */
export const LOCK_NAME = 'lock'
/** The name of the parameter that holds the token of the rotation under way: `/keyturn/pending/<name>/lock`. */
export const lockNameOf = (id: string) => `${pendingPathOf(id)}/${LOCK_NAME}`
