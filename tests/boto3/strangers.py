"""What makes an account hostile, as boto3 sees it: other people's tags, rules and targets, sticky clients, capacity
providers, machines with host ports, groups that are deleted and made again."""

import json
import urllib.error
import urllib.request

from botocore.exceptions import ClientError

from common import AWSVPC, check, ecs, elb, eventually, fails, same

FORCE = (
    "When switching from launch type to capacity provider strategy on an existing service, or making a change to a "
    "capacity provider strategy on a service that is already using one, you must force a new deployment."
)


def definition(tag, mode="awsvpc"):
    container = {"name": "app", "image": f"web:{tag}", "memory": 64, "portMappings": [{"containerPort": 8080}]}
    answer = ecs.register_task_definition(
        family=f"stranger-{mode}", networkMode=mode, cpu="256", memory="512", containerDefinitions=[container]
    )
    return answer["taskDefinition"]["taskDefinitionArn"]


def group(name, target_type="ip"):
    made = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId="vpc-0", TargetType=target_type, HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
    )
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    return arn


def forward(blue, green, weights, sticky_seconds=0):
    pairs = zip((blue, green), weights)
    stickiness = {"Enabled": sticky_seconds > 0, **({"DurationSeconds": sticky_seconds} if sticky_seconds else {})}
    return [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pairs],
                "TargetGroupStickinessConfig": stickiness,
            },
        }
    ]


def service(name, revision, arn=None, count=1, **more):
    balancers = [{"targetGroupArn": arn, "containerName": "app", "containerPort": 8080}] if arn else []
    return ecs.create_service(
        cluster="strangers", serviceName=name, taskDefinition=revision, desiredCount=count, loadBalancers=balancers,
        **more,
    )["service"]


def described(name):
    return ecs.describe_services(cluster="strangers", services=[name])["services"][0]


def healthy(arn, count=1):
    states = [t["TargetHealth"]["State"] for t in health(arn)]
    return states.count("healthy") == count


def health(arn):
    return elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]


def ask(url, headers=None, method="GET"):
    """Status, body and the load balancer's cookie."""
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        cookie = (answer.headers["Set-Cookie"] or "").split(";")[0]
        return answer.status, answer.read().decode(), cookie


def release(url, cookie=None):
    return json.loads(ask(url, {"Cookie": cookie} if cookie else {})[1]).get("release")


def stickiness(url, listener, blue, green):
    elb.modify_listener(ListenerArn=listener, DefaultActions=forward(blue, green, (100, 0), 86_400))
    _, _, cookie = eventually("a cookie", lambda: (ask(url) if ask(url)[2] else None))
    check(cookie.startswith("AWSALBTG="), f"the name of the cookie {cookie}")
    elb.modify_listener(ListenerArn=listener, DefaultActions=forward(blue, green, (0, 100), 86_400))
    eventually("new clients on v2", lambda: {release(url) for _ in range(5)} == {"v2"})
    same({release(url, cookie) for _ in range(5)}, {"v1"}, "what answers a sticky client at weight 0")
    elb.modify_listener(ListenerArn=listener, DefaultActions=forward(blue, green, (0, 100)))
    eventually("all clients on v2", lambda: {release(url, cookie) for _ in range(5)} == {"v2"})


def conditions(url, listener):
    wanted = [
        ({"Field": "host-header", "HostHeaderConfig": {"Values": ["only.example"]}}, url, {"Host": "only.example"}, "GET"),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Test", "Values": ["green"]}}, url, {"X-Test": "green"}, "GET"),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}, url + "?v=2", {}, "GET"),
        ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["DELETE"]}}, url, {}, "DELETE"),
        ({"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v[0-9]+$"]}}, url + "v12", {}, "GET"),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}}, url + "else", {}, "GET"),
    ]
    made = []
    for priority, (condition, _, _, _) in enumerate(wanted, start=1):
        fixed = {"StatusCode": str(280 + priority), "ContentType": "text/plain", "MessageBody": "rule"}
        rule = elb.create_rule(
            ListenerArn=listener, Priority=priority, Conditions=[condition],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": fixed}],
        )
        made.append(rule["Rules"][0]["RuleArn"])
    for priority, (_, address, headers, method) in enumerate(wanted, start=1):
        status = 280 + priority
        eventually(f"rule {priority}", lambda: ask(address, headers, method)[0] == status)
    shown = elb.describe_rules(ListenerArn=listener)["Rules"]
    same([rule["Priority"] for rule in shown], ["1", "2", "3", "4", "5", "6", "default"], "priorities")
    same(shown[1]["Conditions"][0]["HttpHeaderConfig"]["HttpHeaderName"], "X-Test", "a condition")
    return made


def tags_of_strangers(*arns):
    tags = [{"Key": "elbv2.k8s.aws/cluster", "Value": "prod"}, {"Key": "ingress.k8s.aws/stack", "Value": "shop/web"}]
    elb.add_tags(ResourceArns=list(arns), Tags=tags)
    for shown in elb.describe_tags(ResourceArns=list(arns))["TagDescriptions"]:
        same(shown["Tags"], tags, f"tags of {shown['ResourceArn']}")


def capacity(revision):
    service("spot", revision, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}], networkConfiguration=AWSVPC)
    change = {"cluster": "strangers", "service": "spot", "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
    try:
        ecs.update_service(**change)
        raise AssertionError("another strategy without a forced deployment")
    except ClientError as error:
        same(error.response["Error"], {"Code": "InvalidParameterException", "Message": FORCE}, "the refusal")
    forced = ecs.update_service(**change, forceNewDeployment=True)["service"]
    same(forced["capacityProviderStrategy"], [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}], "the strategy")
    back = ecs.update_service(cluster="strangers", service="spot", capacityProviderStrategy=[])["service"]
    same((back["launchType"], back.get("capacityProviderStrategy")), ("FARGATE", None), "back on the launch type")


def machines(listener, arn):
    """Each target of a group is traced to its task, as a client must."""
    service("machines", definition("v1", "bridge"), arn, count=3)
    eventually("healthy targets on machines", lambda: healthy(arn, 3))
    tasks = ecs.list_tasks(cluster="strangers", serviceName="machines", desiredStatus="RUNNING")["taskArns"]
    tasks = ecs.describe_tasks(cluster="strangers", tasks=tasks)["tasks"]
    instances = sorted({task["containerInstanceArn"] for task in tasks})
    same(ecs.list_container_instances(cluster="strangers")["containerInstanceArns"], instances, "listed machines")
    shown = ecs.describe_container_instances(cluster="strangers", containerInstances=instances)["containerInstances"]
    ids = {instance["containerInstanceArn"]: instance["ec2InstanceId"] for instance in shown}
    traced = sorted(
        (ids[task["containerInstanceArn"]], task["containers"][0]["networkBindings"][0]["hostPort"]) for task in tasks
    )
    same(traced, sorted((t["Target"]["Id"], t["Target"]["Port"]) for t in health(arn)), "tasks as targets")
    on_one = ecs.list_tasks(cluster="strangers", containerInstance=instances[0])["taskArns"]
    check(on_one and set(on_one) <= {task["taskArn"] for task in tasks}, "tasks of one machine")


def made_again(rule, listener, blue, green):
    elb.modify_listener(ListenerArn=listener, DefaultActions=forward(blue, green, (1, 0)))
    fails("ResourceInUse", elb.delete_target_group, TargetGroupArn=green)
    elb.modify_listener(ListenerArn=listener, DefaultActions=[{"Type": "forward", "TargetGroupArn": blue}])
    elb.delete_target_group(TargetGroupArn=green)
    again = group("stranger-green")
    check(again != green, "a group made again has another ARN")
    fails("TargetGroupNotFound", elb.describe_target_health, TargetGroupArn=green)
    same(described("green")["loadBalancers"][0]["targetGroupArn"], green, "the group of a service that was registered in it")
    ecs.update_service(cluster="strangers", service="green", forceNewDeployment=True)
    said = f"failed to register targets in (target-group {green}) with (error One or more target groups not found)"
    eventually("a failed registration", lambda: any(said in event["message"] for event in described("green")["events"]))
    elb.delete_rule(RuleArn=rule)
    fails("RuleNotFound", elb.describe_rules, RuleArns=[rule])
    return again


def drive():
    ecs.create_cluster(clusterName="strangers")
    balancer = elb.create_load_balancer(Name="strangers", Subnets=["subnet-0a", "subnet-0b"])["LoadBalancers"][0]
    blue, green, machine = group("stranger-blue"), group("stranger-green"), group("stranger-machines", "instance")
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=8002,
        DefaultActions=forward(blue, green, (100, 0)),
    )["Listeners"][0]["ListenerArn"]
    rule = elb.create_rule(
        ListenerArn=listener, Priority=100, Conditions=[{"Field": "path-pattern", "Values": ["/machines"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": machine}],
    )["Rules"][0]["RuleArn"]
    url = f"http://{balancer['DNSName']}:8002/"
    fargate = {"launchType": "FARGATE", "networkConfiguration": AWSVPC}
    service("blue", definition("v1"), blue, **fargate)
    service("green", definition("v2"), green, **fargate)
    eventually("a healthy target in each group", lambda: healthy(blue) and healthy(green))
    stickiness(url, listener, blue, green)
    machines(listener, machine)
    same(json.loads(ask(url + "machines")[1])["release"], "v1", "what answers on a machine")
    elb.delete_rule(RuleArn=rule)
    made = conditions(url, listener)
    tags_of_strangers(made[0], listener, blue, balancer["LoadBalancerArn"])
    capacity(definition("v1"))
    again = made_again(made[0], listener, blue, green)
    for name in ("blue", "green", "spot", "machines"):
        ecs.delete_service(cluster="strangers", service=name, force=True)
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    for arn in (blue, again, machine):
        elb.delete_target_group(TargetGroupArn=arn)
