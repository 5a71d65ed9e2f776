/** The Region that an ARN is in; undefined for what has none. */
export const regionIn = (arn = ''): string | undefined => arn.split(':')[3] || undefined

/** The account that an ARN is in; undefined for what has none. */
export const accountIn = (arn = ''): string | undefined => arn.split(':')[4] || undefined

/** What Parameter Store's own name for a secret begins with: the secret can be read by it, and not rotated. */
export const SECRET_REFERENCE_PREFIX = '/aws/reference/secretsmanager/'

/** Whether what has this ARN is at home in another Region, as a tag names one. */
export function isHomeElsewhere(arn: string | undefined, home: string | undefined): boolean {
  const here = regionIn(arn)
  return home !== undefined && here !== undefined && home !== here
}

/** Whether a secret is a replica, as the service tells of it. A primary may name its own Region as the primary's. */
export const isReplica = ({
  ARN,
  PrimaryRegion,
}: {
  ARN?: string | undefined
  PrimaryRegion?: string | undefined
}): boolean => PrimaryRegion !== undefined && PrimaryRegion !== regionIn(ARN)

/** Whether a KMS key, by whichever of its names, is one that AWS manages, as an account has of each service. */
export const isAwsManagedKey = (key: string): boolean => /(^|:)alias\/aws\//.test(key)

/** The same ARN in another Region: a replica's differs from its primary's in nothing else. */
export function arnInRegion(arn: string, region: string): string {
  const [prefix, partition, service, , ...rest] = arn.split(':')
  return [prefix, partition, service, region, ...rest].join(':')
}

/** The ARN of a parameter in the account and Region of another ARN. `foo` and `/foo` have the same. */
export function parameterArn(name: string, beside: string): string {
  const [prefix, partition, , region, account] = beside.split(':')
  return [prefix, partition, 'ssm', region, account, `parameter/${name.replace(/^\//, '')}`].join(':')
}
