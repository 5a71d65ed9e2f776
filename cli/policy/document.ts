/** A statement of an IAM policy. One with a principal belongs in the policy of a resource. */
export type Statement = {
  Sid: string
  Effect: 'Allow'
  Principal?: { AWS: string }
  Action: string[]
  Resource: string | string[]
  Condition?: Condition
}
/** A condition of a statement: for each operator, such as StringEquals, the condition keys and their values. */
export type Condition = Record<string, Record<string, string>>
/** An IAM policy. */
export type PolicyDocument = { Version: '2012-10-17'; Statement: Statement[] }

/** Makes a policy of these statements. */
export const policyDocument = (Statement: Statement[]): PolicyDocument => ({
  Version: '2012-10-17',
  Statement,
})

/**
 * The length of a policy as IAM counts it, without white space outside of texts.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export const policyLength = (document: PolicyDocument): number => JSON.stringify(document).length

/**
 * Characters of a managed policy at most. All inline policies of a role together may have 10,240.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export const MAX_MANAGED_POLICY_LENGTH = 6144

/** One policy of those that the command prints together. --part chooses it by its name. */
export type PolicyPart = {
  name: PolicyPartName
  document: PolicyDocument
  /** The policy as a resource of CloudFormation. A key policy has none: it is a property of the key. */
  resource?: { Type: string; Properties: Record<string, unknown> }
  /** What the user should know, a sentence each. */
  notes: string[]
}

/** The names of the parts, as --part takes them. */
export const PART_NAMES = ['role', 'resource', 'key', 'calls', 'functions', 'resources'] as const
/** The name of a part. */
export type PolicyPartName = (typeof PART_NAMES)[number]

/** A CloudFormation template with this one resource. */
export const templateOf = (Description: string, resource: NonNullable<PolicyPart['resource']>): object => ({
  AWSTemplateFormatVersion: '2010-09-09',
  Description,
  Resources: { Policy: resource },
})
