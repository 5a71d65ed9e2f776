/** A statement of an IAM policy. One with a principal belongs into the policy of a resource. */
export type Statement = {
  Sid: string
  Effect: 'Allow'
  Principal?: { AWS: string }
  Action: string[]
  Resource: string | string[]
  Condition?: Condition
}
/** What has to hold: by the operator, the key and its value. */
export type Condition = Record<string, Record<string, string>>
export type PolicyDocument = { Version: '2012-10-17'; Statement: Statement[] }

export const policyDocument = (Statement: Statement[]): PolicyDocument => ({
  Version: '2012-10-17',
  Statement,
})

/**
 * Characters that IAM counts of a policy, which are all but blanks outside of texts.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
export const policyLength = (document: PolicyDocument): number => JSON.stringify(document).length

/** As many characters a managed policy may have. A role's inline policies may have 10,240 together. */
export const MAX_MANAGED_POLICY_LENGTH = 6144

/** A policy that is printed, and how it is made on AWS. */
export type PolicyPart = {
  name: PolicyPartName
  document: PolicyDocument
  /** The same as a resource of CloudFormation; a key's policy is none of its own. */
  resource?: { Type: string; Properties: Record<string, unknown> }
  /** What a person should know, a sentence each. */
  notes: string[]
}

export const PART_NAMES = ['role', 'resource', 'key', 'calls', 'functions', 'resources'] as const
export type PolicyPartName = (typeof PART_NAMES)[number]

/** A template with this one resource. */
export const templateOf = (Description: string, resource: NonNullable<PolicyPart['resource']>): object => ({
  AWSTemplateFormatVersion: '2010-09-09',
  Description,
  Resources: { Policy: resource },
})
