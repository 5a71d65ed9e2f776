/** The Region in an ARN; undefined if the ARN has none. */
export const regionIn = (arn = ''): string | undefined => arn.split(':')[3] || undefined

/** The account id in an ARN; undefined if the ARN has none. */
export const accountIn = (arn = ''): string | undefined => arn.split(':')[4] || undefined

/**
 * The start of the name by which Parameter Store reads a secret of Secrets Manager. A secret cannot be rotated by that name.
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
 */
export const SECRET_REFERENCE_PREFIX = '/aws/reference/secretsmanager/'

/** Whether the home Region (the tag `keyturn:home`) is another one than that of the ARN. False if one of the two is not known. */
export function isHomeElsewhere(arn: string | undefined, home: string | undefined): boolean {
  const here = regionIn(arn)
  return home !== undefined && here !== undefined && home !== here
}

/**
 * Whether a secret is a replica, by the answer of DescribeSecret. For a primary, `PrimaryRegion` may be its own Region.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
 */
export const isReplica = ({
  ARN,
  PrimaryRegion,
}: {
  ARN?: string | undefined
  PrimaryRegion?: string | undefined
}): boolean => PrimaryRegion !== undefined && PrimaryRegion !== regionIn(ARN)

/** Whether a KMS key, by its alias or the ARN of its alias, is an AWS managed key, such as `alias/aws/secretsmanager`. */
export const isAwsManagedKey = (key: string): boolean => /(^|:)alias\/aws\//.test(key)

/**
 * The same ARN in another Region. The ARN of a replica differs from that of its primary in the Region alone.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html
 */
export function arnInRegion(arn: string, region: string): string {
  const [prefix, partition, service, , ...rest] = arn.split(':')
  return [prefix, partition, service, region, ...rest].join(':')
}

/** The ARN of a parameter in the account and Region of the ARN `beside`. The names `foo` and `/foo` have the same ARN. */
export function parameterArn(name: string, beside: string): string {
  const [prefix, partition, , region, account] = beside.split(':')
  return [prefix, partition, 'ssm', region, account, `parameter/${name.replace(/^\//, '')}`].join(':')
}
